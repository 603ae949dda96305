//! Against a server on loopback that answers as GroupLens' does, or as badly as a test wants.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;

use indicatif::ProgressBar;
use tempfile::TempDir;

use super::*;

/// One request that the server got.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Asked {
    path: String,
    range: Option<String>,
    if_range: Option<String>,
}

/// How the server answers for the zip.
#[derive(Debug, Clone)]
struct Manner {
    zip: Vec<u8>,
    /// Of `.md5`; None is 404.
    md5_file: Option<String>,
    etag: Option<&'static str>,
    /// Whether ranges are honoured.
    ranges: bool,
    /// Bytes of a body after which the connection is closed.
    cut: Option<usize>,
    status: u16,
}

impl Manner {
    fn good(zip: &[u8]) -> Self {
        let md5_file = Some(format!("MD5 (ml-latest-small.zip) = {}\n", md5(zip)));
        Self { zip: zip.to_vec(), md5_file, etag: Some("\"v1\""), ranges: true, cut: None, status: 200 }
    }
}

struct Server {
    base_url: String,
    manner: Arc<Mutex<Manner>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    /// It ends with the test process.
    fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base_url = format!("http://{}/datasets/", listener.local_addr().unwrap());
        let (manner, asked) = (Arc::new(Mutex::new(manner)), Arc::new(Mutex::new(Vec::new())));
        let (manner_, asked_) = (Arc::clone(&manner), Arc::clone(&asked));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let manner = manner_.lock().unwrap().clone();
                asked_.lock().unwrap().extend(serve(stream, &manner));
            }
        });
        Self { base_url, manner, asked }
    }

    fn now(&self, change: impl FnOnce(&mut Manner)) {
        change(&mut self.manner.lock().unwrap());
    }

    /// The requests for the zip so far, which are forgotten.
    fn asked(&self) -> Vec<Asked> {
        let asked = std::mem::take(&mut *self.asked.lock().unwrap());
        asked.into_iter().filter(|asked| asked.path.ends_with(".zip")).collect()
    }
}

/// Answers one request; the client may be gone before all is written.
fn serve(stream: TcpStream, manner: &Manner) -> Option<Asked> {
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines().map_while(Result::ok);
    let mut asked = Asked { path: lines.next()?.split(' ').nth(1)?.to_owned(), ..Asked::default() };
    for line in lines.take_while(|line| !line.is_empty()) {
        let (name, value) = line.split_once(": ")?;
        match name.to_ascii_lowercase().as_str() {
            "range" => asked.range = Some(value.to_owned()),
            "if-range" => asked.if_range = Some(value.to_owned()),
            _ => {}
        }
    }
    let _ = answer_to(stream, &asked, manner);
    Some(asked)
}

fn answer_to(mut stream: TcpStream, asked: &Asked, manner: &Manner) -> io::Result<()> {
    let mut head = String::new();
    let (mut status, mut body) = (manner.status, manner.zip.clone());
    if asked.path.ends_with(".md5") {
        (status, body) = manner.md5_file.clone().map_or((404, Vec::new()), |text| (200, text.into_bytes()));
    } else if status == 200 {
        let same = asked.if_range.is_none() || asked.if_range.as_deref() == manner.etag;
        let from = asked.range.as_ref().filter(|_| manner.ranges && same);
        let from = from.map(|range| range["bytes=".len()..].trim_end_matches('-').parse::<usize>().unwrap());
        match from {
            Some(from) if from < body.len() => {
                status = 206;
                head = format!("Content-Range: bytes {from}-{}/{}\r\n", body.len() - 1, body.len());
                body.drain(..from);
            }
            Some(_) => {
                status = 416;
                head = format!("Content-Range: bytes */{}\r\n", body.len());
                body.clear();
            }
            None => {}
        }
        head.extend(manner.etag.map(|etag| format!("ETag: {etag}\r\n")));
    }
    let length = body.len();
    write!(stream, "HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {length}\r\n{head}\r\n")?;
    stream.write_all(&body[..manner.cut.unwrap_or(length).min(length)])
}

fn md5(bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("x"), bytes).unwrap();
    digest_of(&folder.path().join("x")).unwrap().unwrap().1
}

/// Not a multiple of any buffer, and no two parts alike.
fn zip() -> Vec<u8> {
    (0..300_001_u32).map(|place| (place.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

struct Fixture {
    server: Server,
    out: TempDir,
    progress: ProgressBar,
}

impl Fixture {
    fn new(manner: Manner) -> Self {
        let out = tempfile::tempdir().unwrap();
        Self { server: Server::start(manner), out, progress: ProgressBar::hidden() }
    }

    fn fetch(&self, name: &str) -> Result<Fetched, FetchError> {
        let (base_url, out) = (self.server.base_url.clone(), self.out.path().join("data"));
        fetch(&FetchRequest { name: name.to_owned(), out, base_url }, &self.progress)
    }

    fn small(&self) -> Result<Fetched, FetchError> {
        self.fetch("ml-latest-small")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.out.path().join("data").join(name)
    }

    /// The files in the folder, by name.
    fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.out.path().join("data")).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

#[test]
fn md5_is_md5() {
    assert_eq!(md5(b"abc"), "900150983cd24fb0d6963f7d28e17f72"); // RFC 1321, A.5
}

#[test]
fn a_set_is_fetched_verified_and_alone_in_its_folder() {
    let fixture = Fixture::new(Manner::good(&zip()));
    let fetched = fixture.small().unwrap();
    assert_eq!(
        fetched,
        Fetched {
            path: fixture.path("ml-latest-small.zip"),
            bytes: 300_001,
            md5: md5(&zip()),
            checksum: Checksum::Published,
            already: false,
            resumed: 0,
        }
    );
    assert_eq!(fs::read(&fetched.path).unwrap(), zip());
    assert_eq!(fixture.files(), ["ml-latest-small.zip"]);
    assert_eq!(
        fixture.server.asked(),
        [Asked { path: "/datasets/ml-latest-small.zip".to_owned(), ..Asked::default() }]
    );
    assert_eq!((fixture.progress.position(), fixture.progress.length()), (300_001, Some(300_001)));
}

#[test]
fn what_is_there_is_recognised_and_not_fetched_again() {
    let fixture = Fixture::new(Manner::good(&zip()));
    fixture.small().unwrap();
    fixture.server.asked();
    let again = fixture.small().unwrap();
    assert!(again.already && again.bytes == 300_001);
    assert_eq!(fixture.server.asked(), []);
}

#[test]
fn another_file_of_that_name_is_left_alone() {
    let fixture = Fixture::new(Manner::good(&zip()));
    fs::create_dir_all(fixture.path("")).unwrap();
    fs::write(fixture.path("ml-latest-small.zip"), b"mine").unwrap();
    let error = fixture.small().unwrap_err();
    assert!(matches!(error, FetchError::OtherFile { .. }));
    assert!(error.to_string().ends_with("; move it away to fetch it anew"), "{error}");
    assert_eq!(fs::read(fixture.path("ml-latest-small.zip")).unwrap(), b"mine");
}

#[test]
fn a_connection_cut_half_way_is_taken_up_where_it_ended() {
    let fixture = Fixture::new(Manner { cut: Some(150_000), ..Manner::good(&zip()) });
    let error = fixture.small().unwrap_err();
    assert!(matches!(error, FetchError::Interrupted { got: 150_000, total: Some(300_001) }), "{error:?}");
    assert_eq!(error.to_string(), {
        "the connection ended after 150000 of 300001 bytes; run it again to go on from there"
    });
    assert_eq!(fixture.files(), ["ml-latest-small.zip.part", "ml-latest-small.zip.part.etag"]);
    fixture.server.now(|manner| manner.cut = None);
    fixture.server.asked();
    let fetched = fixture.small().unwrap();
    assert_eq!((fetched.resumed, fetched.bytes), (150_000, 300_001));
    let asked = fixture.server.asked();
    assert_eq!(asked[0].range.as_deref(), Some("bytes=150000-"));
    assert_eq!(asked[0].if_range.as_deref(), Some("\"v1\""));
    assert_eq!(fs::read(&fetched.path).unwrap(), zip());
    assert_eq!(fixture.files(), ["ml-latest-small.zip"]);
}

#[test]
fn a_file_that_changed_meanwhile_is_fetched_from_its_start() {
    let fixture = Fixture::new(Manner { cut: Some(1000), ..Manner::good(&zip()) });
    fixture.small().unwrap_err();
    let other: Vec<u8> = zip().into_iter().rev().collect();
    fixture.server.now(|manner| *manner = Manner { etag: Some("\"v2\""), ..Manner::good(&other) });
    let fetched = fixture.small().unwrap();
    assert_eq!((fetched.resumed, fs::read(&fetched.path).unwrap()), (0, other));
}

#[test]
fn without_a_strong_tag_a_range_is_asked_for_all_the_same() {
    for etag in [None, Some("W/\"v1\"")] {
        let fixture = Fixture::new(Manner { cut: Some(1000), etag, ..Manner::good(&zip()) });
        fixture.small().unwrap_err();
        fixture.server.now(|manner| manner.cut = None);
        fixture.server.asked();
        assert_eq!(fixture.small().unwrap().resumed, 1000);
        let asked = fixture.server.asked();
        assert_eq!((asked[0].range.as_deref(), &asked[0].if_range), (Some("bytes=1000-"), &None));
    }
}

#[test]
fn a_server_without_ranges_sends_it_all_again() {
    let fixture = Fixture::new(Manner { cut: Some(1000), ranges: false, ..Manner::good(&zip()) });
    fixture.small().unwrap_err();
    fixture.server.now(|manner| manner.cut = None);
    let fetched = fixture.small().unwrap();
    assert_eq!((fetched.resumed, fs::read(&fetched.path).unwrap()), (0, zip()));
}

#[test]
fn a_part_that_is_whole_is_only_verified_and_one_too_long_is_fetched_anew() {
    let fixture = Fixture::new(Manner::good(&zip()));
    fs::create_dir_all(fixture.path("")).unwrap();
    fs::write(fixture.path("ml-latest-small.zip.part"), zip()).unwrap();
    assert_eq!(fixture.small().unwrap().resumed, 300_001);
    fs::remove_file(fixture.path("ml-latest-small.zip")).unwrap();
    fs::write(fixture.path("ml-latest-small.zip.part"), [zip(), vec![0]].concat()).unwrap();
    let fetched = fixture.small().unwrap();
    assert_eq!((fetched.resumed, fs::read(&fetched.path).unwrap()), (0, zip()));
}

#[test]
fn a_wrong_checksum_leaves_nothing_behind() {
    let fixture = Fixture::new(Manner::good(&zip()));
    let error = fixture.fetch("ml-1m").unwrap_err();
    let FetchError::WrongChecksum { got, expected, .. } = &error else { panic!("{error:?}") };
    assert_eq!((got.as_str(), expected.as_str()), (md5(&zip()).as_str(), "c4d9eecfca2ab87c1945afe126590906"));
    assert!(error.to_string().ends_with("what came was removed"));
    assert!(fixture.files().is_empty(), "{:?}", fixture.files());
}

#[test]
fn a_pinned_set_asks_for_no_md5_file() {
    let fixture = Fixture::new(Manner { md5_file: None, ..Manner::good(b"PK") });
    let known = Known {
        name: "ml-1m",
        about: "",
        checksum: Checksum::Pinned("d71bdd22c8bb93b8d287dce6f46aed25"),
        may_be_passed_on: false,
    };
    assert_eq!(md5(b"PK"), "d71bdd22c8bb93b8d287dce6f46aed25");
    let (out, base_url) = (fixture.out.path().join("data"), fixture.server.base_url.clone());
    let request = FetchRequest { name: "ml-1m".to_owned(), out, base_url };
    assert_eq!(fetch_known(&known, &request, &fixture.progress).unwrap().bytes, 2);
}

#[test]
fn refusals_are_named_and_leave_nothing_behind() {
    let fixture = Fixture::new(Manner { status: 404, ..Manner::good(&zip()) });
    let url = format!("{}ml-latest-small.zip", fixture.server.base_url);
    assert_eq!(
        fixture.small().unwrap_err().to_string(),
        format!("cannot fetch {url}: the server answers 404")
    );
    assert!(fixture.files().is_empty());
    for md5_file in [None, Some("<html>no such file</html>".to_owned())] {
        fixture.server.now(|manner| manner.md5_file = md5_file);
        let said = fixture.small().unwrap_err().to_string();
        assert_eq!(said, format!("{url}.md5 holds no MD5 to check against, so nothing was fetched"));
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base_url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let request = FetchRequest { name: "ml-1m".to_owned(), out: fixture.path(""), base_url };
    assert!(matches!(fetch(&request, &fixture.progress), Err(FetchError::Request { .. })));
    assert!(fixture.files().is_empty());
}

#[test]
fn an_unknown_name_is_answered_with_the_known_ones() {
    let fixture = Fixture::new(Manner::good(b""));
    let said = fixture.fetch("ml-2m").unwrap_err().to_string();
    assert_eq!(said, "there is no data set ml-2m; there are ml-latest-small, ml-1m, ml-20m, ml-25m, ml-32m");
}

#[test]
fn two_at_once_do_not_write_into_each_other() {
    let fixture = Fixture::new(Manner::good(&zip()));
    fs::create_dir_all(fixture.path("")).unwrap();
    let part = File::create(fixture.path("ml-latest-small.zip.part")).unwrap();
    part.lock().unwrap();
    let error = fixture.small().unwrap_err();
    assert!(matches!(error, FetchError::Busy { .. }), "{error:?}");
    drop(part);
    fixture.small().unwrap();
}

#[test]
fn the_bar_is_drawn_from_its_template() {
    let bar = progress_bar();
    bar.set_draw_target(indicatif::ProgressDrawTarget::hidden());
    bar.set_length(10);
    bar.set_position(5);
    bar.tick();
    assert!(ProgressStyle::with_template(BAR).is_ok());
}
