use super::*;
use crate::accelerator::protocol::Encoded;

fn attraction(row: Row, weight: f32) -> Attraction {
    Attraction { row, weight }
}

fn reply(items: &[i32], scores: &[f32]) -> InferResponse {
    reply_of(vec![1, items.len()], Data::Int32(items.to_vec()), Data::Fp32(scores.to_vec()))
}

fn reply_of(shape: Vec<usize>, items: Data, scores: Data) -> InferResponse {
    let outputs = vec![
        Tensor { name: ITEMS.into(), shape: shape.clone(), data: items },
        Tensor { name: SCORES.into(), shape, data: scores },
    ];
    let parameters = Parameters::new();
    InferResponse { model_name: "m".into(), model_version: None, id: None, parameters, outputs }
}

#[test]
fn histories_of_different_lengths_come_back_as_they_went() {
    let given = [vec![attraction(0, 1.0)], vec![attraction(7, 0.5), attraction(3, 1.0), attraction(0, 0.2)]];
    let given: Vec<&[Attraction]> = given.iter().map(Vec::as_slice).collect();
    let request = request(&given, 30, Duration::from_millis(150));
    assert_eq!(request.inputs[0].data, Data::Int32(vec![0, 0, 1, 8, 4, 1]));
    assert_eq!(request.parameters["limit"], 30);
    assert_eq!(request.parameters["timeout"], 150_000);
    let Encoded { body, header_length } = request.encode(Encoding::Binary);
    let read = InferRequest::decode(&body, header_length).unwrap();
    assert_eq!(histories(&read, 8).unwrap(), given);
}

#[test]
fn each_broken_rule_of_a_reply_is_named() {
    let said = |response: &InferResponse| lists(response, 1, 4).unwrap_err().to_string();
    assert_eq!(lists(&reply(&[3, 0], &[1.0, 1.0]), 1, 4).unwrap()[0].len(), 2);
    for (items, scores, words) in [
        (&[4][..], &[1.0][..], "an unknown row"),
        (&[-1], &[1.0], "an unknown row"),
        (&[1, 2, 1], &[3.0, 2.0, 1.0], "a repeated row"),
        (&[1, 2], &[1.0, 2.0], "not in the order of scores"),
        (&[1], &[f32::NAN], "a score is not finite"),
        (&[1, 2], &[f32::INFINITY, 1.0], "a score is not finite"),
    ] {
        assert_eq!(said(&reply(items, scores)), format!("list 0: {words}"));
    }
    assert_eq!(said(&reply(&[], &[])), "empty lists");
    let swapped = reply_of(vec![1, 1], Data::Fp32(vec![1.0]), Data::Int32(vec![1]));
    assert_eq!(said(&swapped), "`items` of FP32 and `scores` of INT32, not INT32 and FP32");
    let flat = reply_of(vec![2], Data::Int32(vec![0, 1]), Data::Fp32(vec![2.0, 1.0]));
    assert_eq!(said(&flat), "`items` of shape [2] and `scores` of [2]");
    let two = reply_of(vec![2, 1], Data::Int32(vec![0, 1]), Data::Fp32(vec![2.0, 1.0]));
    assert_eq!(said(&two), "shape [2, 1]; [1, up to 1000] is asked for");
    let mut none = reply(&[1], &[1.0]);
    none.outputs.pop();
    assert_eq!(said(&none), "no output `scores`");
}

#[test]
fn each_broken_rule_of_a_request_is_named() {
    let with = |items: Vec<i32>, shape: Vec<usize>, weights: Option<Vec<f32>>| {
        let mut inputs =
            vec![Tensor { name: HISTORY.into(), shape: shape.clone(), data: Data::Int32(items) }];
        let weights = weights.map(|w| Tensor { name: WEIGHTS.into(), shape, data: Data::Fp32(w) });
        inputs.extend(weights);
        InferRequest { id: None, parameters: Parameters::new(), inputs, outputs: Vec::new() }
    };
    let said = |request: &InferRequest| histories(request, 8).unwrap_err().to_string();
    assert_eq!(histories(&with(vec![0, 8], vec![1, 2], None), 8).unwrap(), [[attraction(7, 1.0)]]);
    for (items, words) in [
        (vec![0, 0], "history 0: no items"),
        (vec![1, 0], "history 0: 0 pads on the left alone"),
        (vec![1, 9], "history 0: an item that the catalogue lacks"),
        (vec![-1, 1], "history 0: an item that the catalogue lacks"),
        (vec![i32::MIN, 1], "history 0: an item that the catalogue lacks"),
    ] {
        assert_eq!(said(&with(items, vec![1, 2], None)), words);
    }
    for weight in [0.0, -1.0, f32::NAN, f32::INFINITY] {
        let words = "history 0: a weight that is not above 0";
        assert_eq!(said(&with(vec![1], vec![1, 1], Some(vec![weight]))), words);
    }
    assert_eq!(said(&with(vec![1], vec![1], None)), "`history` is INT32 [1]; INT32 [B, L] is taken");
    assert_eq!(said(&with(vec![], vec![0, 5], None)), "0 histories; 1 to 64 are taken");
    assert_eq!(said(&with(vec![], vec![3, 0], None)), "histories of length 0; 1 to 500 are taken");
    let mut other = with(vec![1], vec![1, 1], Some(vec![1.0]));
    other.inputs[1].shape = vec![1];
    assert_eq!(said(&other), "`weights` is FP32 [1]; FP32 [1, 1] is taken");
    other.inputs[1].name = "weight".into();
    assert_eq!(said(&other), "unknown input \"weight\"; `history` and `weights` are known");
    other.inputs.clear();
    assert_eq!(said(&other), "input `history` is missing");
}

#[test]
fn only_a_version_and_a_digest_that_can_be_shown_reach_a_receipt() {
    let with = |said: &str, named: &str| {
        let mut response = reply(&[1], &[1.0]);
        response.model_version = Some(said.to_owned());
        response.parameters.insert(DIGEST_PARAMETER.into(), named.into());
        (version(&response), digest(&response))
    };
    let a_digest = "0123456789abcdef".repeat(4);
    assert_eq!(with("2026-11-22", &a_digest), (Some("2026-11-22".into()), Some(a_digest.clone())));
    for (said, named) in [("a\nb", "x"), (&*"v".repeat(129), &a_digest[1..]), ("", &*"g".repeat(64))] {
        assert_eq!(with(said, named).1, None, "{named}");
        assert!(with(said, named).0.is_none_or(|version| version.is_empty()), "{said}");
    }
}
