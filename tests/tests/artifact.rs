//! Artifacts that are broken, in every way that has a name, and one that a stranger wrote. Whatever is wrong, the
//! commands say which file, and which tensor where one is concerned, and never panic.

use std::fs::{self, OpenOptions};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tests::{Process, command, marquee, model_dir, root, venv};

use crate::answers::items;
use crate::copy::{Copy, no_panic, recommend, refused};
use crate::safetensors::SafeTensors;

const TENSOR_FILES: [&str; 3] = ["model.safetensors", "catalogue.safetensors", "serving.safetensors"];
const FILES: [&str; 5] =
    ["model.safetensors", "catalogue.safetensors", "serving.safetensors", "config.json", "manifest.json"];

#[test]
fn an_artifact_that_nobody_touched_is_taken() -> Result<()> {
    let copy = Copy::of_the_demo()?;
    copy.seal()?;
    for finished in [copy.verify()?, copy.recommend()?] {
        assert!(finished.status.success(), "{finished}");
    }
    Ok(())
}

#[test]
fn a_truncated_file_is_named() -> Result<()> {
    for file in FILES {
        let length = fs::metadata(model_dir().join(file))?.len();
        // The last byte of manifest.json is a line feed, which it can do without.
        for left in [0, 4, length / 2, length - 2] {
            let copy = Copy::of_the_demo()?;
            OpenOptions::new().write(true).open(copy.file(file))?.set_len(left)?;
            refused(&copy.verify()?, &[file]);
            refused(&copy.recommend()?, &[file]);
        }
    }
    Ok(())
}

#[test]
fn a_file_truncated_before_it_was_digested_is_named() -> Result<()> {
    for file in TENSOR_FILES {
        let length = fs::metadata(model_dir().join(file))?.len();
        for left in [0, 4, 8, 100, length / 2, length - 1] {
            let copy = Copy::of_the_demo()?;
            OpenOptions::new().write(true).open(copy.file(file))?.set_len(left)?;
            copy.seal()?;
            refused(&copy.verify()?, &[file]);
            refused(&copy.recommend()?, &[file]);
        }
    }
    Ok(())
}

#[test]
fn a_missing_file_is_named() -> Result<()> {
    for file in FILES {
        let copy = Copy::of_the_demo()?;
        fs::remove_file(copy.file(file))?;
        for finished in [copy.verify()?, copy.recommend()?] {
            refused(&finished, &[file]);
            assert_eq!(finished.stderr.matches("No such file").count(), 1, "told once: {finished}");
        }
    }
    Ok(())
}

#[test]
fn a_flipped_bit_is_found_by_verify() -> Result<()> {
    for file in FILES.into_iter().filter(|file| *file != "manifest.json") {
        let length = fs::metadata(model_dir().join(file))?.len();
        for at in [0, 8, length / 2, length - 1] {
            let copy = Copy::of_the_demo()?;
            let mut bytes = fs::read(copy.file(file))?;
            bytes[usize::try_from(at)?] ^= 1;
            fs::write(copy.file(file), bytes)?;
            refused(&copy.verify()?, &[file]);
            no_panic(&copy.recommend()?);
        }
    }
    Ok(())
}

#[test]
fn a_manifest_that_contradicts_itself_is_named() -> Result<()> {
    let copy = Copy::of_the_demo()?;
    let mut manifest: Value = serde_json::from_slice(&fs::read(copy.file("manifest.json"))?)?;
    manifest["digest"] = json!("0".repeat(64));
    fs::write(copy.file("manifest.json"), manifest.to_string())?;
    refused(&copy.verify()?, &["manifest.json"]);
    refused(&copy.recommend()?, &["manifest.json"]);
    Ok(())
}

#[test]
fn a_header_that_lies_about_its_length_is_refused_before_it_is_read() -> Result<()> {
    const MIB: u64 = 1 << 20;
    for file in TENSOR_FILES {
        let length = fs::metadata(model_dir().join(file))?.len();
        for claimed in [u64::MAX, u64::MAX - 7, 1 << 63, 2 * MIB, length, 1, 0] {
            let copy = Copy::of_the_demo()?;
            let mut bytes = fs::read(copy.file(file))?;
            bytes[..8].copy_from_slice(&claimed.to_le_bytes());
            fs::write(copy.file(file), bytes)?;
            // Room enough for 2 MiB of header, so that it is the limit that refuses it.
            OpenOptions::new().write(true).open(copy.file(file))?.set_len(length.max(3 * MIB))?;
            copy.seal()?;
            refused(&copy.verify()?, &[file]);
            refused(&copy.recommend()?, &[file]);
        }
    }
    Ok(())
}

#[test]
fn a_tensor_that_is_not_what_it_must_be_is_named() -> Result<()> {
    type Damage = fn(&mut SafeTensors, &str);
    let damages: [(&str, Damage); 6] = [
        ("ends past the file", |file, tensor| file.set_end(tensor, 1 << 40)),
        ("ends at the largest number", |file, tensor| file.set_end(tensor, u64::MAX)),
        ("ends before it starts", |file, tensor| file.info(tensor)["data_offsets"] = json!([8, 0])),
        ("is of another type", |file, tensor| file.info(tensor)["dtype"] = json!("BF16")),
        ("has another shape of the same size", |file, tensor| {
            let shape = file.info(tensor)["shape"].take();
            let ones = shape.as_array().unwrap().iter().cloned().chain([json!(1)]).collect();
            file.info(tensor)["shape"] = Value::Array(ones);
        }),
        ("has a shape whose size overflows", |file, tensor| {
            file.info(tensor)["shape"] = json!([1_u64 << 62, 1_u64 << 62]);
        }),
    ];
    for file in TENSOR_FILES {
        for (what, damage) in damages {
            println!("{file}: the first tensor {what}");
            let copy = Copy::of_the_demo()?;
            let mut tensors = copy.tensors(file);
            let first = tensors.first();
            damage(&mut tensors, &first);
            tensors.write();
            copy.seal()?;
            refused(&copy.verify()?, &[file, &first]);
            refused(&copy.recommend()?, &[file, &first]);
        }
    }
    Ok(())
}

#[test]
fn a_tensor_under_another_name_is_named() -> Result<()> {
    for file in TENSOR_FILES {
        let copy = Copy::of_the_demo()?;
        let mut tensors = copy.tensors(file);
        let first = tensors.first();
        tensors.rename(&first, "something_else");
        tensors.write();
        copy.seal()?;
        refused(&copy.verify()?, &[file, "something_else"]);
        refused(&copy.recommend()?, &[file, "something_else"]);
    }
    Ok(())
}

#[test]
fn factors_for_another_number_of_items_are_named() -> Result<()> {
    let copy = Copy::of_the_demo()?;
    let mut tensors = copy.tensors("model.safetensors");
    let shape = &mut tensors.info("item_factors")["shape"];
    let (items, factors) = (shape[0].take(), shape[1].take());
    *shape = json!([factors, items]);
    tensors.write();
    copy.seal()?;
    refused(&copy.verify()?, &["model.safetensors", "item_factors"]);
    refused(&copy.recommend()?, &["model.safetensors", "item_factors"]);
    Ok(())
}

#[test]
fn a_factor_that_is_no_number_is_found_by_verify() -> Result<()> {
    for factor in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let copy = Copy::of_the_demo()?;
        let mut tensors = copy.tensors("model.safetensors");
        tensors.bytes("item_factors")[4..8].copy_from_slice(&factor.to_le_bytes());
        tensors.write();
        copy.seal()?;
        refused(&copy.verify()?, &["model.safetensors", "item_factors"]);
        no_panic(&copy.recommend()?);
    }
    Ok(())
}

#[test]
fn columns_that_point_nowhere_are_found_by_verify_and_panic_nobody() -> Result<()> {
    for tensor in ["id_offsets", "id_order", "id_bytes", "title_offsets", "genres", "popularity_order"] {
        let copy = Copy::of_the_demo()?;
        let mut tensors = copy.tensors("catalogue.safetensors");
        tensors.bytes(tensor).fill(0xff);
        tensors.write();
        copy.seal()?;
        refused(&copy.verify()?, &["catalogue.safetensors"]);
        no_panic(&copy.recommend()?);
    }
    Ok(())
}

#[test]
fn derived_tensors_that_do_not_fit_the_weights_are_found_by_verify() -> Result<()> {
    let copy = Copy::of_the_demo()?;
    let mut tensors = copy.tensors("serving.safetensors");
    let first = tensors.first();
    tensors.bytes(&first)[..4].copy_from_slice(&1e9_f32.to_le_bytes());
    tensors.write();
    copy.seal()?;
    refused(&copy.verify()?, &["serving.safetensors", &first]);
    no_panic(&copy.recommend()?);
    Ok(())
}

#[test]
fn without_the_derived_tensors_the_answers_are_the_same() -> Result<()> {
    let copy = Copy::of_the_demo()?;
    fs::remove_file(copy.file("serving.safetensors"))?;
    let mut manifest: Value = serde_json::from_slice(&fs::read(copy.file("manifest.json"))?)?;
    manifest["files"].as_object_mut().unwrap().remove("serving.safetensors").unwrap();
    fs::write(copy.file("manifest.json"), manifest.to_string())?;
    let (with, without) = (recommend(model_dir())?, copy.recommend()?);
    assert!(without.status.success(), "{without}");
    let (with, without): (Value, Value) =
        (serde_json::from_str(&with.stdout)?, serde_json::from_str(&without.stdout)?);
    assert_eq!(items(&with), items(&without));
    assert!(!items(&with).is_empty(), "{with}");
    Ok(())
}

#[test]
fn what_the_documented_python_writes_is_taken() -> Result<()> {
    let page = fs::read_to_string(root().join("docs/artifact.md"))
        .context("docs/artifact.md shows how Python writes")?;
    let block = page.split("```python\n").nth(1).and_then(|rest| rest.split("```").next());
    let home = tempfile::tempdir()?;
    fs::write(home.path().join("write.py"), block.context("docs/artifact.md has no ```python block")?)?;
    let mut python = command(&venv().python());
    python.arg("write.py").current_dir(home.path());
    let written = Process::spawn(python)?.finish()?;
    assert!(written.status.success(), "{written}");

    let folder = fs::read_dir(home.path())?.filter_map(|entry| Some(entry.ok()?.path()));
    let folder =
        folder.into_iter().find(|path| path.join("config.json").is_file()).context("it wrote no artifact")?;
    let verified = marquee(["verify".as_ref(), folder.as_os_str()])?;
    assert!(verified.status.success(), "{verified}");
    let answered =
        marquee(["recommend".as_ref(), "--json".as_ref(), "--model".as_ref(), folder.as_os_str()])?;
    assert!(answered.status.success(), "{answered}");
    let answer: Value = serde_json::from_str(&answered.stdout)?;
    assert!(!items(&answer).is_empty(), "{answer}");
    Ok(())
}
