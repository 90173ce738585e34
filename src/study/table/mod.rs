//! Tables of a study: columns with unit and definition, written as Parquet or CSV a batch of
//! rows at a time, and read back.
//!
//! Parquet: Zstandard, one row group a batch. Every column may be empty; what is not a finite number is
//! empty. Series and panels are single precision, of which 17 bits are kept. Numbers are split by byte, so that their signs, exponents and
//! digits stand among their like; whole numbers are stored as differences; text has dictionaries. Files for people
//! tell units and definitions in their metadata under the key `frugality`, and the range of each column; files
//! that only this program reads do without, for a small file would be half of that.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;
use std::sync::Arc;

use parquet::basic::{Compression, Encoding, LogicalType, Repetition, Type as Physical, ZstdLevel};
use parquet::column::reader::{ColumnReader, get_typed_column_reader};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, FloatType, Int64Type};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{ColumnPath, Type};
use serde_json::{Value as Json, json};

use crate::record::cell;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Whole numbers.
    Whole,
    /// Numbers, double precision.
    Number,
    /// Numbers, single precision.
    Short,
    /// Text.
    Text,
}

/// A column.
#[derive(Clone, Debug)]
pub struct Column {
    /// Name.
    pub name: String,
    /// Unit, or what kind of word it holds.
    pub unit: String,
    /// What it says.
    pub definition: String,
    /// What it holds.
    pub kind: Kind,
}

impl Column {
    /// A column.
    #[must_use]
    pub fn new(name: &str, unit: &str, definition: &str, kind: Kind) -> Self {
        let own = str::to_owned;
        Self { name: own(name), unit: own(unit), definition: own(definition), kind }
    }

    fn parquet(&self) -> parquet::errors::Result<Type> {
        let physical = match self.kind {
            Kind::Whole => Physical::INT64,
            Kind::Number => Physical::DOUBLE,
            Kind::Short => Physical::FLOAT,
            Kind::Text => Physical::BYTE_ARRAY,
        };
        let builder = Type::primitive_type_builder(&self.name, physical)
            .with_repetition(Repetition::OPTIONAL);
        let logical = (self.kind == Kind::Text).then_some(LogicalType::String);
        builder.with_logical_type(logical).build()
    }
}

/// The cells of a column.
#[derive(Clone, Debug, PartialEq)]
pub enum Cells {
    /// Whole numbers, none: empty.
    Whole(Vec<Option<i64>>),
    /// Numbers, not finite: empty.
    Number(Vec<f64>),
    /// The same in single precision.
    Short(Vec<f32>),
    /// Text, none: empty.
    Text(Vec<Option<Arc<str>>>),
}

/// Bits of a single-precision number that are dropped: 17 of its 24 are kept.
const DROPPED: u32 = 7;

/// `x` as series and panels keep it: 17 significant bits, the nearest, halves to even. Relative error at most 2⁻¹⁷, eight
/// millionths; whole numbers below 131 072 are exact.
#[must_use]
pub fn brief(x: f64) -> f32 {
    let single = x as f32;
    if !single.is_finite() {
        return single;
    }
    let bits = single.to_bits();
    let half = (1 << (DROPPED - 1)) - 1 + ((bits >> DROPPED) & 1);
    let rounded = f32::from_bits((bits + half) >> DROPPED << DROPPED);
    if rounded.is_finite() { rounded } else { single }
}

impl Cells {
    /// No cells.
    #[must_use]
    pub const fn none(kind: Kind) -> Self {
        match kind {
            Kind::Whole => Self::Whole(Vec::new()),
            Kind::Number => Self::Number(Vec::new()),
            Kind::Short => Self::Short(Vec::new()),
            Kind::Text => Self::Text(Vec::new()),
        }
    }

    /// How many.
    #[must_use]
    pub const fn len(&self) -> usize {
        match self {
            Self::Whole(cells) => cells.len(),
            Self::Number(cells) => cells.len(),
            Self::Short(cells) => cells.len(),
            Self::Text(cells) => cells.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds a whole number.
    pub fn whole(&mut self, n: Option<i64>) {
        if let Self::Whole(cells) = self {
            cells.push(n);
        }
    }

    /// Adds a number.
    pub fn number(&mut self, x: f64) {
        match self {
            Self::Number(cells) => cells.push(x),
            Self::Short(cells) => cells.push(brief(x)),
            _ => {}
        }
    }

    /// Adds a text.
    pub fn text(&mut self, text: Option<Arc<str>>) {
        if let Self::Text(cells) = self {
            cells.push(text);
        }
    }

    /// The number in row `row`, not a number if empty.
    #[must_use]
    pub fn at(&self, row: usize) -> f64 {
        match self {
            Self::Whole(cells) => cells[row].map_or(f64::NAN, |n| n as f64),
            Self::Number(cells) => cells[row],
            Self::Short(cells) => f64::from(cells[row]),
            Self::Text(_) => f64::NAN,
        }
    }

    fn append(&mut self, other: Self) {
        match (self, other) {
            (Self::Whole(a), Self::Whole(b)) => a.extend(b),
            (Self::Number(a), Self::Number(b)) => a.extend(b),
            (Self::Short(a), Self::Short(b)) => a.extend(b),
            (Self::Text(a), Self::Text(b)) => a.extend(b),
            _ => {}
        }
    }
}

/// Rows of a table, column by column.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// Columns.
    pub cells: Vec<Cells>,
}

impl Batch {
    /// No rows.
    #[must_use]
    pub fn new(columns: &[Column]) -> Self {
        Self { cells: columns.iter().map(|column| Cells::none(column.kind)).collect() }
    }

    /// How many rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.cells.first().map_or(0, Cells::len)
    }

    /// Adds the rows of `other`.
    pub fn append(&mut self, other: Self) {
        for (mine, others) in self.cells.iter_mut().zip(other.cells) {
            mine.append(others);
        }
    }
}

/// How a table is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Parquet.
    Parquet,
    /// Comma-separated text.
    Csv,
}

impl Format {
    /// The ending of a file's name.
    #[must_use]
    pub const fn ending(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::Csv => "csv",
        }
    }
}

/// For whom a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// People and their programs: it says what its columns are.
    People,
    /// This program, which has the plan beside it.
    Program,
}

enum Out {
    Parquet(Box<SerializedFileWriter<BufWriter<File>>>),
    Csv(Box<csv::Writer<BufWriter<File>>>),
}

/// A table that is being written.
pub struct Writer {
    out: Out,
    kinds: Vec<Kind>,
    rows: u64,
}

impl Writer {
    /// Creates the file of a table.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn create(
        path: &Path,
        format: Format,
        audience: Audience,
        columns: &[Column],
        about: &Json,
    ) -> io::Result<Self> {
        let file = BufWriter::new(File::create_new(path)?);
        let kinds = columns.iter().map(|column| column.kind).collect();
        let out = match format {
            Format::Parquet => Out::Parquet(Box::new(
                SerializedFileWriter::new(
                    file,
                    schema(columns)?,
                    properties(columns, audience, about).into(),
                )
                .map_err(io::Error::from)?,
            )),
            Format::Csv => {
                let mut csv = csv::WriterBuilder::new()
                    .terminator(csv::Terminator::Any(b'\n'))
                    .from_writer(file);
                csv.write_record(columns.iter().map(|column| &column.name))
                    .map_err(io::Error::from)?;
                Out::Csv(Box::new(csv))
            }
        };
        Ok(Self { out, kinds, rows: 0 })
    }

    /// Adds rows.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn write(&mut self, batch: &Batch) -> io::Result<()> {
        if batch.rows() == 0 {
            return Ok(());
        }
        self.rows += batch.rows() as u64;
        match &mut self.out {
            Out::Parquet(writer) => row_group(writer, batch).map_err(io::Error::from),
            Out::Csv(csv) => lines(csv, &self.kinds, batch),
        }
    }

    /// Ends the table, puts it on the disk, and says how many rows it has.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(self) -> io::Result<u64> {
        let buffer = match self.out {
            Out::Parquet(writer) => writer.into_inner().map_err(io::Error::from)?,
            Out::Csv(csv) => csv.into_inner().map_err(|e| io::Error::other(e.to_string()))?,
        };
        let mut file = buffer.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.flush()?;
        file.sync_all()?;
        Ok(self.rows)
    }
}

fn schema(columns: &[Column]) -> io::Result<Arc<Type>> {
    let fields: Result<Vec<Arc<Type>>, _> =
        columns.iter().map(|column| column.parquet().map(Arc::new)).collect();
    let group = Type::group_type_builder("table").with_fields(fields?).build()?;
    Ok(Arc::new(group))
}

/// Level of Zstandard: from here on, less than one byte in a hundred costs twice the time.
const LEVEL: i32 = 9;

fn properties(columns: &[Column], audience: Audience, about: &Json) -> WriterProperties {
    let mut about = about.clone();
    let statistics = match audience {
        Audience::People => {
            about["columns"] = described(columns);
            EnabledStatistics::Chunk
        }
        Audience::Program => EnabledStatistics::None,
    };
    let level = ZstdLevel::try_new(LEVEL).unwrap_or_default();
    let mut builder = WriterProperties::builder()
        .set_compression(Compression::ZSTD(level))
        .set_statistics_enabled(statistics)
        .set_offset_index_disabled(audience == Audience::Program)
        .set_created_by(format!("frugality {}", env!("CARGO_PKG_VERSION")))
        .set_key_value_metadata(Some(vec![KeyValue::new(
            "frugality".to_owned(),
            about.to_string(),
        )]));
    for column in columns {
        let encoding = match column.kind {
            Kind::Whole => Encoding::DELTA_BINARY_PACKED,
            Kind::Number | Kind::Short => Encoding::BYTE_STREAM_SPLIT,
            Kind::Text => continue,
        };
        let path = ColumnPath::from(column.name.as_str());
        builder = builder
            .set_column_dictionary_enabled(path.clone(), false)
            .set_column_encoding(path, encoding);
    }
    builder.build()
}

/// Columns as metadata tell them.
#[must_use]
pub fn described(columns: &[Column]) -> Json {
    columns
        .iter()
        .map(|c| json!({ "name": c.name, "unit": c.unit, "description": c.definition }))
        .collect()
}

/// Splits cells into those that are not empty and a level a row: 1 where one is.
fn full<T: Copy, U>(cells: &[T], value: impl Fn(T) -> Option<U>) -> (Vec<U>, Vec<i16>) {
    let mut values = Vec::with_capacity(cells.len());
    let levels = cells
        .iter()
        .map(|cell| match value(*cell) {
            Some(value) => {
                values.push(value);
                1
            }
            None => 0,
        })
        .collect();
    (values, levels)
}

fn row_group(
    writer: &mut SerializedFileWriter<BufWriter<File>>,
    batch: &Batch,
) -> parquet::errors::Result<()> {
    let mut group = writer.next_row_group()?;
    for cells in &batch.cells {
        let Some(mut column) = group.next_column()? else { break };
        match cells {
            Cells::Whole(cells) => {
                let (values, levels) = full(cells, |cell| cell);
                column.typed::<Int64Type>().write_batch(&values, Some(&levels), None)?;
            }
            Cells::Number(cells) => {
                let (values, levels) = full(cells, |x: f64| x.is_finite().then_some(x));
                column.typed::<DoubleType>().write_batch(&values, Some(&levels), None)?;
            }
            Cells::Short(cells) => {
                let (values, levels) = full(cells, |x: f32| x.is_finite().then_some(x));
                column.typed::<FloatType>().write_batch(&values, Some(&levels), None)?;
            }
            Cells::Text(cells) => {
                let values: Vec<ByteArray> =
                    cells.iter().flatten().map(|text| ByteArray::from(text.as_ref())).collect();
                let levels: Vec<i16> = cells.iter().map(|c| i16::from(c.is_some())).collect();
                column.typed::<ByteArrayType>().write_batch(&values, Some(&levels), None)?;
            }
        }
        column.close()?;
    }
    group.close().map(|_| ())
}

fn lines(csv: &mut csv::Writer<BufWriter<File>>, kinds: &[Kind], batch: &Batch) -> io::Result<()> {
    let mut scratch = String::new();
    for row in 0..batch.rows() {
        for (cells, _) in batch.cells.iter().zip(kinds) {
            scratch.clear();
            match cells {
                Cells::Whole(cells) => {
                    if let Some(n) = cells[row] {
                        scratch.push_str(&n.to_string());
                    }
                }
                Cells::Number(cells) => cell::number(&mut scratch, cells[row]),
                Cells::Short(cells) => short(&mut scratch, cells[row]),
                Cells::Text(cells) => {
                    scratch.push_str(&cell::text(cells[row].as_deref().unwrap_or("")));
                }
            }
            csv.write_field(&scratch)?;
        }
        csv.write_record(None::<&[u8]>)?;
    }
    Ok(())
}

/// A single-precision number with the fewest digits that read back as the same.
fn short(out: &mut String, x: f32) {
    use std::fmt::Write as _;
    if !x.is_finite() {
        return;
    }
    // Writing to a String cannot fail.
    let _ = if x.trunc() == x && x.abs() < 1e7 {
        write!(out, "{}", x as i64)
    } else {
        write!(out, "{x:?}")
    };
}

/// A Parquet table that is being read.
pub struct Reader {
    reader: SerializedFileReader<File>,
    kinds: Vec<Kind>,
}

impl Reader {
    /// Opens the file of a table whatever its columns, and tells them, with unit and definition where the file
    /// says them.
    ///
    /// # Errors
    /// When it is no such table, or a column is of a kind that no table of a study has.
    pub fn discover(path: &Path) -> io::Result<(Self, Vec<Column>)> {
        let reader = SerializedFileReader::new(File::open(path)?)?;
        let file = reader.metadata().file_metadata();
        let noted = file.key_value_metadata().into_iter().flatten();
        let about: Json = noted
            .filter(|pair| pair.key == "frugality")
            .find_map(|pair| serde_json::from_str(pair.value.as_deref()?).ok())
            .unwrap_or_default();
        let said = |name: &str, what: &str| {
            let all = about["columns"].as_array().into_iter().flatten();
            let mut own = all.filter(|column| column["name"] == name);
            own.find_map(|column| column[what].as_str()).unwrap_or_default().to_owned()
        };
        let column = |column: &parquet::schema::types::ColumnDescPtr| {
            let name = column.name();
            let kind = match column.physical_type() {
                Physical::INT64 => Kind::Whole,
                Physical::DOUBLE => Kind::Number,
                Physical::FLOAT => Kind::Short,
                Physical::BYTE_ARRAY => Kind::Text,
                other => {
                    let says = format!("column {name} is of the kind {other}");
                    return Err(io::Error::new(io::ErrorKind::InvalidData, says));
                }
            };
            Ok(Column::new(name, &said(name, "unit"), &said(name, "description"), kind))
        };
        let columns: Vec<Column> =
            file.schema_descr().columns().iter().map(column).collect::<io::Result<_>>()?;
        let kinds = columns.iter().map(|column| column.kind).collect();
        Ok((Self { reader, kinds }, columns))
    }

    /// Opens the file of a table that must have these columns.
    ///
    /// # Errors
    /// When it is not such a table.
    pub fn open(path: &Path, columns: &[Column]) -> io::Result<Self> {
        let reader = SerializedFileReader::new(File::open(path)?)?;
        let found = reader.metadata().file_metadata().schema_descr().num_columns();
        let names = reader.metadata().file_metadata().schema_descr();
        let same = found == columns.len()
            && names.columns().iter().zip(columns).all(|(a, b)| a.name() == b.name);
        if !same {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "its columns are not those of the plan",
            ));
        }
        Ok(Self { reader, kinds: columns.iter().map(|column| column.kind).collect() })
    }

    /// How many batches it has.
    #[must_use]
    pub fn batches(&self) -> usize {
        self.reader.num_row_groups()
    }

    /// The cells of one column of a batch.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn column(&self, batch: usize, column: usize) -> io::Result<Cells> {
        let group = self.reader.get_row_group(batch)?;
        let rows = usize::try_from(group.metadata().num_rows()).unwrap_or(0);
        let reader = group.get_column_reader(column)?;
        Ok(match self.kinds[column] {
            Kind::Whole => Cells::Whole(cells_of::<Int64Type>(reader, rows)?),
            Kind::Number => {
                let cells = cells_of::<DoubleType>(reader, rows)?;
                Cells::Number(cells.into_iter().map(|x| x.unwrap_or(f64::NAN)).collect())
            }
            Kind::Short => {
                let cells = cells_of::<FloatType>(reader, rows)?;
                Cells::Short(cells.into_iter().map(|x| x.unwrap_or(f32::NAN)).collect())
            }
            Kind::Text => {
                let mut texts = Vec::with_capacity(rows);
                let mut last: Option<Arc<str>> = None;
                for value in cells_of::<ByteArrayType>(reader, rows)? {
                    let Some(value) = value else {
                        texts.push(None);
                        continue;
                    };
                    let text = value.as_utf8()?;
                    // Neighbours are often the same text.
                    let same = last.as_ref().filter(|last| last.as_ref() == text).cloned();
                    let text = same.unwrap_or_else(|| Arc::from(text));
                    last = Some(Arc::clone(&text));
                    texts.push(Some(text));
                }
                Cells::Text(texts)
            }
        })
    }

    /// A batch, every column.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn batch(&self, batch: usize) -> io::Result<Batch> {
        let cells = (0..self.kinds.len()).map(|column| self.column(batch, column));
        Ok(Batch { cells: cells.collect::<io::Result<_>>()? })
    }
}

/// The cells of a column, none where they are empty.
fn cells_of<T: DataType>(reader: ColumnReader, rows: usize) -> io::Result<Vec<Option<T::T>>> {
    let mut reader = get_typed_column_reader::<T>(reader);
    let (mut values, mut levels) = (Vec::with_capacity(rows), Vec::<i16>::with_capacity(rows));
    while levels.len() < rows {
        let (n, _, _) = reader.read_records(rows, Some(&mut levels), None, &mut values)?;
        if n == 0 {
            let short = "a column is shorter than its table";
            return Err(io::Error::new(io::ErrorKind::InvalidData, short));
        }
    }
    let mut values = values.into_iter();
    Ok(levels.iter().map(|level| if *level == 1 { values.next() } else { None }).collect())
}

#[cfg(test)]
mod tests;
