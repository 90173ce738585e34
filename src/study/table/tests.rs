use super::*;

#[test]
fn brief_numbers_are_the_nearest_of_seventeen_bits() {
    assert_eq!(brief(131_071.0), 131_071.0);
    // Between 131 072 and 262 144 every second number is left; halves go to the even one.
    assert_eq!((brief(131_073.0), brief(131_075.0)), (131_072.0, 131_076.0));
    assert_eq!((brief(0.0), brief(-0.25)), (0.0, -0.25));
    assert!(brief(f64::NAN).is_nan() && brief(1e300).is_infinite());
    assert!(brief(f64::from(f32::MAX)).is_finite());
    for k in 1..1000 {
        let x = f64::from(k).sqrt() * 1e-3;
        assert!((f64::from(brief(x)) / x - 1.0).abs() <= 1.0 / 131_072.0, "{x}");
        assert_eq!(brief(x).to_bits() & 0x7f, 0);
    }
}

#[test]
fn what_is_written_is_read_back_and_what_is_no_number_is_empty() {
    let columns = [
        Column::new("n", "number", "A count.", Kind::Whole),
        Column::new("x", "USD", "Money.", Kind::Number),
        Column::new("y", "1", "A ratio.", Kind::Short),
        Column::new("t", "word", "A word.", Kind::Text),
    ];
    let mut batch = Batch::new(&columns);
    for (n, x, y, t) in [
        (Some(1), 0.1, 0.25_f32, Some("a")),
        (None, f64::NAN, f32::NAN, None),
        (Some(-3), 1e300, 3.5, Some("=é")),
        // Differences of whole numbers may be too large for one.
        (Some(i64::MIN), -0.0, f32::MIN_POSITIVE, Some("")),
        (Some(i64::MAX), f64::MIN_POSITIVE, -0.0, Some("a")),
    ] {
        batch.cells[0].whole(n);
        batch.cells[1].number(x);
        batch.cells[2].number(f64::from(y));
        batch.cells[3].text(t.map(Arc::from));
    }
    let folder = std::env::temp_dir().join(format!("frugality-table-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    for format in [Format::Parquet, Format::Csv] {
        let path = folder.join(format!("t.{}", format.ending()));
        let mut writer =
            Writer::create(&path, format, Audience::People, &columns, &json!({})).unwrap();
        writer.write(&batch).unwrap();
        writer.write(&batch).unwrap();
        assert_eq!(writer.finish().unwrap(), 10);
    }
    let (_, found) = Reader::discover(&folder.join("t.parquet")).unwrap();
    assert_eq!(format!("{found:?}"), format!("{columns:?}"));
    let reader = Reader::open(&folder.join("t.parquet"), &columns).unwrap();
    assert_eq!(reader.batches(), 2);
    let back = reader.batch(1).unwrap();
    assert_eq!(format!("{back:?}"), format!("{batch:?}"));
    let csv = std::fs::read_to_string(folder.join("t.csv")).unwrap();
    assert!(csv.starts_with("n,x,y,t\n1,0.1,0.25,a\n,,,\n-3,1e300,3.5,'=é\n"), "{csv}");
    assert!(Reader::open(&folder.join("t.parquet"), &columns[..3]).is_err());
    std::fs::remove_dir_all(&folder).unwrap();
}
