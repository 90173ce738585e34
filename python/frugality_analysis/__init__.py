"""What finished studies say: what drives an effect, where it reverses, what it costs, what knowing more is worth.

No logic of the model is in here: everything is read from the tables of a study's folder.
"""

from importlib import import_module

PIP = {"sklearn": "scikit-learn"}


class Refused(Exception):
    """Something that cannot be answered from these tables, and why."""


def need(module):
    """The module, or a message that says how to install it."""
    try:
        return import_module(module)
    except ImportError as error:
        root = (error.name or module).split(".")[0]
        package = PIP.get(root, root)
        raise Refused(
            f"the package {package} is missing: python3 -m pip install -r python/requirements.txt"
        ) from error
