//! Artifacts: written, opened, damaged, signed, exchanged.

use std::fs;
use std::path::Path;

use super::artifact::{MANIFEST, MODEL, SERVING, SIGNATURE};
use super::tensors::{ALIGNMENT, TensorFile};
use super::*;
use crate::testing;

/// An Ed25519 key pair made for these tests by `openssl genpkey -algorithm ed25519`.
const PRIVATE_KEY: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f\n\
    -----END PRIVATE KEY-----\n";
const PUBLIC_KEY: &str = "-----BEGIN PUBLIC KEY-----\n\
    MCowBQYDK2VwAyEAA6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=\n\
    -----END PUBLIC KEY-----\n";

fn error(outcome: Result<Artifact, ArtifactError>) -> String {
    outcome.unwrap_err().to_string()
}

/// Rewrites the manifest for what the files now are, as somebody would who means to deceive.
fn reseal(folder: &Path) {
    let catalogue = Artifact::open(folder).map(|artifact| artifact.catalogue.digest());
    let open = folder::Folder::open(folder).unwrap();
    let old = manifest::Manifest::read(&open).unwrap();
    let names: Vec<&str> = old.files.keys().map(String::as_str).collect();
    let new =
        manifest::Manifest::of(&open, &names, catalogue.unwrap_or(old.catalogue_digest.clone())).unwrap();
    fs::write(folder.join(MANIFEST), serde_json::to_vec(&new).unwrap()).unwrap();
}

#[test]
fn what_was_written_opens_and_verifies_and_is_aligned() {
    let folder = testing::artifact();
    verify::verify(folder.path(), None).unwrap();
    for name in [artifact::CATALOGUE, MODEL, SERVING] {
        let path = folder.path().join(name);
        let bytes = fs::read(&path).unwrap();
        let data = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        assert_eq!(data % ALIGNMENT, 0, "{name}");
    }
    let serving = TensorFile::open(&folder.path().join(SERVING)).unwrap();
    for tensor in serving.names() {
        assert_eq!(serving.tensor_bytes(tensor).unwrap().as_ptr().addr() % ALIGNMENT, 0, "{tensor}");
    }
}

#[test]
fn the_digests_are_those_that_the_documentation_shows() {
    let folder = testing::artifact_of(&["alpha", "bravo"], 2, |row, d| (row + d) as f32);
    let artifact = Artifact::open(folder.path()).unwrap();
    let page = include_str!("../../../docs/artifact.md");
    assert!(page.contains(&artifact.manifest.catalogue_digest), "{}", artifact.manifest.catalogue_digest);
    let before = artifact.manifest.digest.clone();
    write::optimize(folder.path(), None).unwrap();
    assert_eq!(
        Artifact::open(folder.path()).unwrap().manifest.digest,
        before,
        "derived tensors change no answer"
    );
}

#[test]
fn ids_and_rows_lead_to_each_other() {
    let folder = testing::artifact_of(&["b", "a", "ab", "B", "0"], 1, |row, _| row as f32);
    let catalogue = Artifact::open(folder.path()).unwrap().catalogue;
    for (row, id) in (0..).zip(["b", "a", "ab", "B", "0"]) {
        assert_eq!((catalogue.id(row), catalogue.row(id)), (Some(id), Some(row)));
    }
    assert_eq!((catalogue.row("c"), catalogue.row(""), catalogue.id(5)), (None, None, None));
    assert_eq!(catalogue.by_popularity(), [0, 1, 2, 3, 4]);
}

#[test]
fn thousands_of_ids_are_found_by_their_slots() {
    let ids: Vec<String> = (0..5_000).map(|n| format!("{}-{n}", ["film", "a", "Z.9"][n % 3])).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let folder = testing::artifact_of(&ids, 1, |row, _| row as f32);
    let catalogue = Artifact::open(folder.path()).unwrap().catalogue;
    for (row, id) in (0..).zip(&ids) {
        assert_eq!(catalogue.row(id), Some(row));
        assert_eq!(catalogue.row(&format!("{id}x")), None);
    }
}

#[test]
fn without_derived_tensors_the_scores_are_the_same_bits() {
    let ids: Vec<String> = (0..200).map(|n| format!("item-{n}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let with = testing::artifact_of(&ids, 7, |row, d| ((row * 31 + d * 17) % 23) as f32 / 23.0 - 0.5);
    let history = [Attraction { row: 3, weight: 1.0 }, Attraction { row: 90, weight: 0.2 }];
    let scores = |folder: &Path| {
        let artifact = Artifact::open(folder).unwrap();
        let taste = artifact.recommender().taste(&history).unwrap();
        let top = taste.top_k(20, &RowSet::none(200));
        (top, taste.scores().iter().map(|score| score.to_bits()).collect::<Vec<_>>())
    };
    let expected = scores(with.path());
    fs::remove_file(with.path().join(SERVING)).unwrap();
    let mut manifest = manifest::Manifest::read(&folder::Folder::open(with.path()).unwrap()).unwrap();
    manifest.files.remove(SERVING);
    fs::write(with.path().join(MANIFEST), serde_json::to_vec(&manifest).unwrap()).unwrap();
    assert!(!Artifact::open(with.path()).unwrap().has_serving());
    assert_eq!(scores(with.path()), expected);
}

/// Rewrites the derived tensors of an artifact, with what `change` leaves of each: its bytes, or nothing.
fn change_serving(folder: &Path, change: impl Fn(&str, Vec<u8>) -> Option<Vec<u8>>) {
    let path = folder.join(SERVING);
    let file = TensorFile::open(&path).unwrap();
    let kept = file.names().filter_map(|name| {
        let (dtype, shape) = file.info(name)?;
        let bytes = change(name, file.tensor_bytes(name)?.to_vec())?;
        Some((name.to_owned(), dtype, shape.to_vec(), bytes))
    });
    let kept: Vec<_> = kept.collect();
    let views = kept.iter().map(|(name, dtype, shape, bytes)| {
        (name.clone(), safetensors::tensor::TensorView::new(*dtype, shape.clone(), bytes).unwrap())
    });
    let bytes = safetensors::serialize(views, None).unwrap();
    // Never into a file that is mapped.
    fs::remove_file(&path).unwrap();
    fs::write(&path, bytes).unwrap();
    reseal(folder);
}

#[test]
fn derived_tensors_that_came_later_may_be_missing_and_change_no_answer() {
    let answers = |folder: &Path| {
        let artifact = verify::verify(folder, None).unwrap();
        let history = [Attraction { row: 1, weight: 1.0 }];
        let top = artifact.recommender().taste(&history).unwrap().top_k(8, &RowSet::none(8));
        let rows = ["alpha", "hotel", "india", ""].map(|id| artifact.catalogue.row(id));
        (top, rows)
    };
    let folder = testing::artifact();
    let expected = answers(folder.path());
    assert_eq!(expected.1, [Some(0), Some(7), None, None]);
    change_serving(folder.path(), |name, bytes| (name != "id_slots").then_some(bytes));
    assert_eq!(answers(folder.path()), expected);
    change_serving(folder.path(), |name, bytes| (!name.contains("int8")).then_some(bytes));
    assert_eq!(answers(folder.path()), expected);
    write::optimize(folder.path(), None).unwrap();
    change_serving(folder.path(), |name, bytes| (name != "item_int8_scale").then_some(bytes));
    let found = error(Artifact::open(folder.path()));
    assert!(found.contains("`item_int8_scale`: missing"), "{found}");
}

#[test]
fn a_derived_tensor_that_is_not_derived_from_the_others_is_found() {
    for tensor in ["item_blocks", "gram", "item_int8", "item_int8_scale", "item_int8_residual", "id_slots"] {
        let folder = testing::artifact();
        change_serving(folder.path(), |name, mut bytes| {
            bytes[0] ^= u8::from(name == tensor);
            Some(bytes)
        });
        Artifact::open(folder.path()).unwrap();
        let found = error(verify::verify(folder.path(), None));
        assert!(found.contains(&format!("`{tensor}`: not derived")), "{found}");
    }
}

#[test]
fn a_signature_is_of_its_key_and_its_bytes_alone() {
    let folder = testing::artifact();
    let keys = tempfile::tempdir().unwrap();
    let (private, public) = (keys.path().join("key.pem"), keys.path().join("public.pem"));
    fs::write(&private, PRIVATE_KEY).unwrap();
    fs::write(&public, PUBLIC_KEY).unwrap();
    assert!(error(verify::verify(folder.path(), Some(&public))).contains("not signed"));
    write::optimize(folder.path(), Some(&private)).unwrap();
    verify::verify(folder.path(), Some(&public)).unwrap();

    let manifest = folder.path().join(MANIFEST);
    let mut bytes = fs::read(&manifest).unwrap();
    bytes.push(b'\n');
    fs::write(&manifest, bytes).unwrap();
    assert!(error(verify::verify(folder.path(), Some(&public))).contains("not a signature of this key"));
    fs::write(folder.path().join(SIGNATURE), [0; 63]).unwrap();
    assert!(error(verify::verify(folder.path(), Some(&public))).contains("not 64 bytes"));
    assert!(error(verify::verify(folder.path(), Some(&private))).contains("not an Ed25519 public key"));
}

#[test]
fn an_altered_byte_is_found_and_so_are_values_under_new_digests() {
    let folder = testing::artifact();
    let model = folder.path().join(MODEL);
    let mut bytes = fs::read(&model).unwrap();
    let last = bytes.len() - 4;
    bytes[last..].copy_from_slice(&f32::NAN.to_le_bytes());
    fs::write(&model, bytes).unwrap();
    let found = error(verify::verify(folder.path(), None));
    assert!(found.contains("model.safetensors") && found.contains("altered"), "{found}");
    reseal(folder.path());
    let found = error(verify::verify(folder.path(), None));
    assert!(found.contains("`item_factors`") && found.contains("row 7, column 1 is not finite"), "{found}");
}

#[test]
fn headers_that_lie_are_refused_before_they_are_followed() {
    let header = |text: &str, data: usize| {
        let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
        bytes.extend(text.as_bytes());
        bytes.extend(vec![0; data]);
        bytes
    };
    let tensor = |dtype: &str, shape: &str, offsets: &str, data: usize| {
        let text = format!(r#"{{"t":{{"dtype":"{dtype}","shape":{shape},"data_offsets":{offsets}}}}}"#);
        header(&text, data)
    };
    let cases = [
        (vec![], "truncated"),
        (vec![1, 2, 3], "truncated"),
        (u64::MAX.to_le_bytes().to_vec(), "the header claims"),
        ((2_u64 << 20).to_le_bytes().to_vec(), "the header claims"),
        (64_u64.to_le_bytes().to_vec(), "passes the file's end"),
        (header("not json", 0), "the header is not valid"),
        (tensor("F32", "[4]", "[0,16]", 8), "`t`: offsets 0 to 16 pass the file's end at 8"),
        (tensor("F32", "[4]", "[0,8]", 8), "`t`: F32 of shape [4] does not take the 8 bytes"),
        (tensor("F32", "[9223372036854775807,4]", "[0,16]", 16), "`t`: F32 of shape"),
        (tensor("F32", "[2]", "[8,16]", 16), "`t`: offsets 8 to 16; expected to start at 0"),
        (tensor("F32", "[2]", "[0,8]", 16), "of which the header names 8"),
    ];
    let folder = tempfile::tempdir().unwrap();
    for (bytes, expected) in cases {
        let path = folder.path().join("x.safetensors");
        fs::write(&path, bytes).unwrap();
        let found = TensorFile::open(&path).unwrap_err().to_string();
        assert!(found.contains("x.safetensors") && found.contains(expected), "{found}; expected {expected}");
    }
}

#[test]
fn a_directory_with_something_else_in_it_is_not_replaced() {
    let folder = testing::artifact();
    fs::write(folder.path().join("thesis.txt"), "years of work").unwrap();
    let found = write::optimize(folder.path(), None).unwrap_err().to_string();
    assert!(found.contains("thesis.txt"), "{found}");
    assert_eq!(fs::read_to_string(folder.path().join("thesis.txt")).unwrap(), "years of work");
}

/// Verifying reads every byte, so a mixture would be found.
#[test]
fn readers_see_the_old_or_the_new_artifact_and_never_a_mixture() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("model");
    let write = |turn: usize| {
        let items = &testing::ITEMS[..2 + turn % 7];
        testing::write_artifact(&folder, items, 3, |row, d| (row * 3 + d + turn) as f32);
    };
    write(0);
    let writing = std::sync::atomic::AtomicBool::new(true);
    let sizes = std::thread::scope(|scope| {
        scope.spawn(|| {
            (1..60).for_each(write);
            writing.store(false, std::sync::atomic::Ordering::Relaxed);
        });
        let mut sizes = std::collections::HashSet::new();
        while writing.load(std::sync::atomic::Ordering::Relaxed) {
            sizes.insert(verify::verify(&folder, None).unwrap().catalogue.len());
        }
        sizes
    });
    assert!(!sizes.is_empty());
    let left = fs::read_dir(parent.path()).unwrap().count();
    assert_eq!(left, 1, "nothing is left beside it");
}

/// Solves a small system by Gaussian elimination with pivoting: slow, plain, and nobody else's code.
fn eliminate(mut a: Vec<Vec<f64>>, mut b: Vec<f64>) -> Vec<f64> {
    let n = b.len();
    for i in 0..n {
        let pivot = (i..n).max_by(|&x, &y| a[x][i].abs().total_cmp(&a[y][i].abs())).unwrap();
        a.swap(i, pivot);
        b.swap(i, pivot);
        for row in i + 1..n {
            let scale = a[row][i] / a[i][i];
            let pivot = a[i].clone();
            a[row].iter_mut().zip(pivot).skip(i).for_each(|(x, p)| *x -= scale * p);
            b[row] -= scale * b[i];
        }
    }
    for i in (0..n).rev() {
        let known: f64 = (i + 1..n).map(|j| a[i][j] * b[j]).sum();
        b[i] = (b[i] - known) / a[i][i];
    }
    b
}

#[test]
fn a_history_is_folded_in_by_the_documented_formula() {
    let ids: Vec<String> = (0..90).map(|n| format!("item-{n}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let factor = |row: usize, d: usize| ((row * 37 + d * 11) % 29) as f32 / 29.0 - 0.4;
    let folder = testing::artifact_of(&ids, 5, factor);
    let history = [(4, 1.0), (30, 0.2), (77, 0.5)];

    let v = |row: usize, d: usize| f64::from(factor(row, d));
    let (alpha0, lambda) = (0.1, 0.01);
    let weight: f64 = history.iter().map(|(_, w)| f64::from(*w)).sum();
    let mut a = vec![vec![0.0; 5]; 5];
    let mut b = vec![0.0; 5];
    for i in 0..5 {
        for (j, entry) in a[i].iter_mut().enumerate() {
            *entry = alpha0 * (0..90).map(|row| v(row, i) * v(row, j)).sum::<f64>();
            *entry += history.iter().map(|&(row, w)| f64::from(w) * v(row, i) * v(row, j)).sum::<f64>();
        }
        a[i][i] += lambda * (weight + alpha0 * 90.0);
        b[i] = history.iter().map(|&(row, w)| f64::from(w) * v(row, i)).sum();
    }
    let query = eliminate(a, b);

    let artifact = Artifact::open(folder.path()).unwrap();
    let history = history.map(|(row, weight)| Attraction { row: row as Row, weight });
    let taste = artifact.recommender().taste(&history).unwrap();
    for (row, score) in taste.scores().into_iter().enumerate() {
        let expected: f64 = (0..5).map(|d| query[d] * v(row, d)).sum();
        assert!((f64::from(score) - expected).abs() < 1e-5, "row {row}: {score} {expected}");
        let parts: f64 = taste.contributions(row as Row).into_iter().map(f64::from).sum();
        assert!((parts - expected).abs() < 1e-5, "row {row}: {parts} {expected}");
    }
}

#[test]
fn a_sequence_model_is_written_verified_and_optimized() {
    let folder = testing::sasrec_artifact();
    let path = folder.path().join(SERVING);
    let before = fs::read(&path).unwrap();
    let names: Vec<_> = TensorFile::open(&path).unwrap().names().map(str::to_owned).collect();
    assert_eq!(
        names,
        ["id_slots", "item_blocks", "item_int8_residual", "item_int8_scale", "item_int8"],
        "no Gram matrix"
    );
    fs::remove_file(&path).unwrap();
    let mut manifest = manifest::Manifest::read(&folder::Folder::open(folder.path()).unwrap()).unwrap();
    manifest.files.remove(SERVING);
    fs::write(folder.path().join(MANIFEST), serde_json::to_vec(&manifest).unwrap()).unwrap();
    assert!(!verify::verify(folder.path(), None).unwrap().has_serving());
    write::optimize(folder.path(), None).unwrap();
    assert_eq!(fs::read(&path).unwrap(), before);
    // Those of a model of another kind.
    fs::copy(testing::artifact().path().join(SERVING), &path).unwrap();
    reseal(folder.path());
    let found = error(Artifact::open(folder.path()));
    assert!(found.contains("serving.safetensors") && found.contains("`gram`"), "{found}");
}

#[test]
fn tensors_of_a_sequence_model_that_are_not_as_they_must_be_are_named() {
    type Tensors = Vec<(String, Vec<usize>, Vec<f32>)>;
    let damaged = |name: &str, change: &dyn Fn(&mut Tensors, usize)| {
        let folder = testing::sasrec_artifact();
        let mut all = testing::SasrecWeights::random(testing::sasrec_config(), 8, 1).tensors;
        let place = all.iter().position(|(found, ..)| found == name).unwrap();
        change(&mut all, place);
        let data = all.iter().map(|(name, shape, values)| tensors::TensorData::new(name, shape, values));
        let mut file = fs::File::create(folder.path().join(MODEL)).unwrap();
        tensors::write(&mut file, &Default::default(), data.collect()).unwrap();
        reseal(folder.path());
        folder
    };
    for (name, _) in sasrec::tensors(&testing::sasrec_config(), 8) {
        let quoted = format!("model.safetensors: tensor `{name}`");
        let missing = damaged(&name, &|all, place| drop(all.remove(place)));
        let found = error(Artifact::open(missing.path()));
        assert!(found.contains(&quoted) && found.contains("missing"), "{found}");
        let flat = damaged(&name, &|all, place| all[place].1.push(1));
        let found = error(Artifact::open(flat.path()));
        assert!(found.contains(&quoted) && found.contains("expected shape"), "{found}");
        let infinite = damaged(&name, &|all, place| *all[place].2.last_mut().unwrap() = f32::INFINITY);
        let found = error(verify::verify(infinite.path(), None));
        assert!(found.contains(&quoted) && found.contains("is not finite"), "{found}");
    }
    let extra = damaged("norm.bias", &|all, _| all.push(("dropout".into(), vec![1], vec![0.1])));
    assert!(error(Artifact::open(extra.path())).contains("`dropout`: not a tensor of this format"));
}

#[test]
fn hyperparameters_out_of_their_ranges_are_named() {
    let parse = |hyperparameters: serde_json::Value| {
        let config = serde_json::json!({
            "format_version": 1, "kind": "sasrec", "name": "n", "version": "1", "hyperparameters": hyperparameters,
        });
        config::ModelConfig::parse(config.to_string().as_bytes())
    };
    let sound = serde_json::json!({"dimensions": 8, "length": 5, "blocks": 1, "heads": 2, "feed_forward": 8});
    let config = parse(sound.clone()).unwrap();
    let config::Kind::Sasrec(sasrec) = config.kind else { panic!("another kind") };
    assert_eq!((sasrec.norm_epsilon, sasrec.attended_padding), (1e-5, false));
    for (name, value) in [
        ("dimensions", serde_json::json!(0)),
        ("dimensions", 1_025.into()),
        ("length", 501.into()),
        ("length", 0.into()),
        ("blocks", 0.into()),
        ("blocks", 17.into()),
        ("heads", 0.into()),
        ("heads", 3.into()),
        ("feed_forward", 4_097.into()),
        ("norm_epsilon", 0.0.into()),
        ("norm_epsilon", (1e-60).into()),
        ("learning", 1.into()),
    ] {
        let mut hyperparameters = sound.clone();
        hyperparameters[name] = value.clone();
        let found = parse(hyperparameters).unwrap_err();
        assert!(found.contains(name), "{name} {value}: {found}");
    }
}
