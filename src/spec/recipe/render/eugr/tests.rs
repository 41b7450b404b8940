use super::*;

fn values() -> Values {
    let mut values = Values::default();
    for (key, value) in [
        ("port", Python::Int(8000)),
        ("gm", Python::Float(0.8)),
        ("flag", Python::Bool(true)),
        ("none", Python::None),
        ("base", Python::Text("http://localhost:{port}".to_owned())),
        ("w", Python::Int(7)),
        ("huge", Python::Huge(format!("-1{}", "0".repeat(40)))),
        ("list", Python::List(vec![Python::Int(1), Python::Text("é".to_owned())])),
        ("map", Python::Map(vec![(Python::Text("a b".to_owned()), Python::Float(1e20))])),
    ] {
        values.set(key, value);
    }
    values
}

#[test]
fn fields_come_out_as_python_formats_them() {
    for (template, expected) in [
        ("{port} {gm} {flag} {none} {base}", "8000 0.8 True None http://localhost:{port}"),
        ("'{{\"k\":{{\"n\":{port}}}}}'", "'{\"k\":{\"n\":8000}}'"),
        ("{port!r} {gm:.2f} {base!r:.6}", "8000 0.80 'http:"),
        ("{huge:.1e} {huge:>43d}", "-1.0e+40  -10000000000000000000000000000000000000000"),
        (
            "|{port:>{w}}|{port:07}|{port:<7}|{port:^7}|{port:+,d}",
            "|   8000|0008000|8000   | 8000  |+8,000",
        ),
        ("{port:x} {port:#010b} {port:_} {flag:d} {flag:>5}", "1f40 0b1111101000000 8_000 1     1"),
        ("{port:.1e} {port:g} {gm:.0%} {gm:+.3} {gm:010.3f}", "8.0e+03 8000 80% +0.8 000000.800"),
        ("{list[0]} {list[1]!a} {map[a b]} {list}", "1 '\\xe9' 1e+20 [1, 'é']"),
        ("{base:.4s}{base:~^24}", "httphttp://localhost:{port}~"),
        ("a \\\n  \\\\\n  ", "a \\"),
    ] {
        assert_eq!(rendered(template, &values(), false).as_deref(), Ok(expected), "{template}");
    }
}

#[test]
fn what_python_would_raise_is_said() {
    for (template, words) in [
        ("{missing}", "the parameter `missing` is missing"),
        ("'{\"a\":1}'", "is missing"),
        ("${CUDA_HOME}", "`CUDA_HOME` is missing"),
        ("{}", "names no parameter"),
        ("{0}", "names no parameter"),
        ("{ port }", "is missing"),
        ("}", "single `}`"),
        ("{", "single `{`"),
        ("{port", "without its `}`"),
        ("{port:", "has no end"),
        ("{port!x}", "no conversion"),
        ("{port.real}", "attributes"),
        ("{port.__class__}", "attributes"),
        ("{none:>5}", "no format"),
        ("{base:d}", "no format"),
        ("{port:999999999}", "no format"),
        ("{port:{w:{w:{w}}}}", "inside"),
    ] {
        let wrong = rendered(template, &values(), false).unwrap_err();
        assert!(wrong.contains(words), "{template}: {wrong}");
    }
}

#[test]
fn alone_the_backend_goes_and_the_lines_that_it_leaves_empty() {
    let template = "serve \\\n  -tp 2 --distributed-executor-backend ray \\\n  \
                    --distributed-executor-backend  mp \\\n  --x \\\n\n";
    let solo = rendered(template, &values(), true).unwrap();
    assert_eq!(solo, "serve \\\n  -tp 2  \\\n  --x");
    let kept = rendered(template, &values(), false).unwrap();
    assert!(kept.contains("backend ray") && kept.ends_with("--x"), "{kept}");
}
