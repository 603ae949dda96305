use proptest::prelude::*;

use super::*;

fn tensor(name: &str, shape: &[usize], data: Data) -> Tensor {
    Tensor { name: name.into(), shape: shape.to_vec(), data }
}

fn request() -> InferRequest {
    InferRequest {
        id: Some("a".into()),
        parameters: serde_json::from_str(r#"{"limit": 10}"#).unwrap(),
        inputs: vec![
            tensor("history", &[2, 2], Data::Int32(vec![0, 1, -2, i32::MAX])),
            tensor("weights", &[2, 2], Data::Fp32(vec![0.0, 0.1, 1.0, f32::MIN_POSITIVE])),
        ],
        outputs: vec![RequestedOutput { name: "items".into(), encoding: Encoding::Binary }],
    }
}

fn response() -> InferResponse {
    InferResponse {
        model_name: "m".into(),
        model_version: Some("7".into()),
        id: None,
        parameters: Parameters::new(),
        outputs: vec![
            tensor("items", &[1, 3], Data::Int32(vec![5, 0, 2])),
            tensor("scores", &[1, 3], Data::Fp32(vec![0.3, 0.2, -1e-30])),
        ],
    }
}

const OUTPUTS: [&str; 2] = ["items", "scores"];

/// What a reply of these bytes, all of them JSON, is refused for.
fn refused(json: &str) -> String {
    InferResponse::decode(json.as_bytes(), None, &OUTPUTS).unwrap_err().to_string()
}

#[test]
fn messages_come_back_as_they_were_in_both_encodings() {
    for encoding in [Encoding::Json, Encoding::Binary] {
        let Encoded { body, header_length } = request().encode(encoding);
        assert_eq!(header_length.is_some(), encoding == Encoding::Binary);
        assert_eq!(InferRequest::decode(&body, header_length).unwrap(), request());
        let Encoded { body, header_length } = response().encode(|_| encoding);
        assert_eq!(InferResponse::decode(&body, header_length, &OUTPUTS).unwrap(), response());
    }
}

#[test]
fn one_output_may_be_binary_and_another_json() {
    let mixed = |name: &str| if name == "items" { Encoding::Binary } else { Encoding::Json };
    let Encoded { body, header_length } = response().encode(mixed);
    assert_eq!(body.len(), header_length.unwrap() + 12);
    assert_eq!(InferResponse::decode(&body, header_length, &OUTPUTS).unwrap(), response());
}

#[test]
fn nested_data_null_options_and_outputs_that_nobody_wants_are_taken() {
    let json = r#"{"model_name": "m", "model_version": 7, "id": null, "parameters": null, "more": {}, "outputs": [
        {"name": "words", "shape": [1, 1], "datatype": "BYTES", "parameters": null, "data": [["a"]]},
        {"name": "items", "shape": [1, 3], "datatype": "INT32", "parameters": {}, "data": [[5, 0, 2.0]]},
        {"name": "scores", "shape": [1, 3], "datatype": "FP32", "data": [0.3, 0.2, -1e-30]}]}"#;
    assert_eq!(InferResponse::decode(json.as_bytes(), None, &OUTPUTS).unwrap(), response());
}

#[test]
fn what_breaks_the_protocol_is_named_and_no_value_of_it_repeated() {
    let with = |output: &str| format!(r#"{{"model_name": "m", "outputs": [{output}]}}"#);
    for (json, words) in [
        ("<html>", "not JSON (line 1, column 1)"),
        ("{}", "not a message of the protocol (line 1, column 2)"),
        (&with(r#"{"name": "items"}"#), "not a message of the protocol"),
        (
            &with(r#"{"name": "items", "shape": [2], "datatype": "INT32", "data": [1]}"#),
            "tensor \"items\": 1 values, where its shape has 2",
        ),
        (
            &with(r#"{"name": "items", "shape": [1], "datatype": "INT32", "data": [1.5]}"#),
            "tensor \"items\": a value that is no INT32",
        ),
        (
            &with(r#"{"name": "items", "shape": [1], "datatype": "INT32", "data": [3e9]}"#),
            "tensor \"items\": a value that is no INT32",
        ),
        (
            &with(r#"{"name": "scores", "shape": [1], "datatype": "FP32", "data": ["x"]}"#),
            "tensor \"scores\": a value that is no number",
        ),
        (
            &with(r#"{"name": "items", "shape": [1], "datatype": "INT64", "data": [1]}"#),
            "tensor \"items\": datatype \"INT64\"; INT32 and FP32 are known",
        ),
        (
            &with(r#"{"name": "items", "shape": [1], "datatype": "INT32"}"#),
            "tensor \"items\": neither `data` nor `binary_data_size`",
        ),
        (
            &with(
                r#"{"name": "items", "shape": [1], "datatype": "INT32", "parameters": {"binary_data_size": 4}}"#,
            ),
            "tensor \"items\": `binary_data_size` is 4, and 0 bytes are left of the body",
        ),
        (
            &with(
                r#"{"name": "items", "shape": [1], "datatype": "INT32", "parameters": {"binary_data_size": -4}}"#,
            ),
            "tensor \"items\": `binary_data_size` is no size",
        ),
        (
            &with(
                r#"{"name": "items", "shape": [18446744073709551615, 3], "datatype": "INT32", "data": [1]}"#,
            ),
            "tensor \"items\": a shape without end",
        ),
        (
            &with(
                r#"{"name": "items", "shape": [0], "datatype": "INT32", "data": []},
                {"name": "items", "shape": [0], "datatype": "INT32", "data": []}"#,
            ),
            "tensor \"items\": given twice",
        ),
    ] {
        assert!(refused(json).starts_with(words), "{json}: {}", refused(json));
    }
}

#[test]
fn sizes_that_do_not_add_up_are_refused() {
    let Encoded { mut body, header_length } = response().encode(|_| Encoding::Binary);
    let refused =
        |body: &[u8], length| InferResponse::decode(body, length, &OUTPUTS).unwrap_err().to_string();
    assert!(refused(&body, Some(body.len() + 1)).starts_with("a JSON header of"));
    assert!(
        refused(&body[..body.len() - 1], header_length).contains("`binary_data_size` is 12, and 11 bytes")
    );
    body.push(0);
    assert_eq!(refused(&body, header_length), "1 bytes after the last tensor");
}

proptest! {
    /// Whatever comes, there is an answer, and no more memory than the body has bytes to pay for.
    #[test]
    fn no_bytes_break_the_parser(mut body in proptest::collection::vec(any::<u8>(), 0..64), at in 0..400_usize, length in 0..500_usize) {
        let _ = InferRequest::decode(&body, Some(length));
        let encoded = request().encode(Encoding::Binary);
        let mut altered = encoded.body.clone();
        let place = at % altered.len();
        if let Some(byte) = body.pop() {
            altered[place] = byte;
        }
        let _ = InferRequest::decode(&altered, encoded.header_length);
        let _ = InferRequest::decode(&altered[..place], Some(length));
    }

    #[test]
    fn numbers_survive_json(values in proptest::collection::vec(any::<f32>().prop_filter("finite", |v| v.is_finite()), 1..50)) {
        let mut response = response();
        response.outputs = vec![tensor("scores", &[values.len()], Data::Fp32(values))];
        let encoded = response.encode(|_| Encoding::Json);
        prop_assert_eq!(InferResponse::decode(&encoded.body, None, &OUTPUTS).unwrap(), response);
    }
}
