//! A real Icecast with real sources (ffmpeg), as a judge of how we listen to radio.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::json;

use crate::call::{self, player, sounds, voice_server};
use crate::client::{TestNode, assets, test_config};

/// A program that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _over = self.0.kill();
        let _status = self.0.wait();
    }
}

fn run(command: &mut Command) -> Running {
    let command = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    Running(
        command
            .spawn()
            .expect("scripts/setup.sh test has installed it"),
    )
}

fn icecast(folder: &Path, port: u16) -> Running {
    // It refuses to be root.
    let is_root = fs::metadata("/proc/self").is_ok_and(|own| {
        use std::os::unix::fs::MetadataExt;
        own.uid() == 0
    });
    let owner = if is_root {
        "<changeowner><user>icecast2</user><group>icecast</group></changeowner>"
    } else {
        ""
    };
    let folder_name = folder.display();
    let config = format!(
        "<icecast><limits><sources>4</sources><burst-size>65535</burst-size></limits>\
         <authentication><source-password>secret</source-password>\
         <admin-user>admin</admin-user><admin-password>secret</admin-password></authentication>\
         <hostname>localhost</hostname>\
         <listen-socket><port>{port}</port><bind-address>127.0.0.1</bind-address></listen-socket>\
         <paths><basedir>{folder_name}</basedir><logdir>{folder_name}</logdir>\
         <webroot>/usr/share/icecast2/web</webroot><adminroot>/usr/share/icecast2/admin</adminroot>\
         </paths><security><chroot>0</chroot>{owner}</security></icecast>"
    );
    fs::set_permissions(folder, fs::Permissions::from_mode(0o777)).unwrap();
    let file = folder.join("icecast.xml");
    fs::write(&file, config).unwrap();
    run(Command::new("icecast2").arg("-c").arg(file))
}

fn source(port: u16, mount: &str, kind: &str, codec: &[&str]) -> Running {
    let signal = assets().join("music/nocturne.opus");
    run(Command::new("ffmpeg")
        .args(["-v", "error", "-re", "-stream_loop", "-1", "-i"])
        .arg(signal)
        .args(codec)
        .args(["-ice_name", "Real Radio", "-content_type", kind])
        .arg(format!("icecast://source:secret@127.0.0.1:{port}/{mount}")))
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs icecast2 and ffmpeg: make test installs them and runs it"]
async fn a_real_icecast_is_heard_with_its_titles_and_after_its_source_was_away() {
    let mut config = test_config();
    config.http.allow_private_networks = true;
    let node = TestNode::start_with(config).await;
    let voice = voice_server().await;
    let (mut socket, session) = node.connect().await;
    let folder = tempfile::tempdir().unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let _icecast = icecast(folder.path(), port);
    let mp3 = ["-c:a", "libmp3lame", "-b:a", "128k", "-f", "mp3"];
    let opus = ["-c:a", "libopus", "-b:a", "96k", "-f", "ogg"];
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let is_up = async || {
        let answer = http.get(format!("http://127.0.0.1:{port}/")).send().await;
        answer.is_ok()
    };
    while !is_up().await {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let mut first = source(port, "live.mp3", "audio/mpeg", &mp3);
    let _second = source(port, "live.opus", "application/ogg", &opus);
    for (guild, mount) in [(1, "live.mp3"), (2, "live.opus")] {
        let url = format!("http://127.0.0.1:{port}/{mount}");
        let mut body = json!(null);
        for _ in 0..100 {
            body = node.load(&url).await;
            if body["loadType"] == "track" {
                break;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        let info = &body["data"]["info"];
        assert_eq!(
            (&info["isStream"], &info["author"]),
            (&true.into(), &"Real Radio".into())
        );
        let mut listener = call::play(&node, &session, &voice, guild, &url).await;
        let heard = sounds(&mut listener, 150).await;
        assert_eq!(heard.len(), 150, "{mount}");
        if guild == 1 {
            // Another title, and a source that comes back.
            let update = format!(
                "http://127.0.0.1:{port}/admin/metadata?mount=/live.mp3&mode=updinfo&song=A%20New%20Song"
            );
            let update = http.get(update).basic_auth("source", Some("secret"));
            assert!(update.send().await.unwrap().status().is_success());
            let event = socket.until("the new title", |message| {
                message["type"] == "StreamTitleEvent" && message["title"] == "A New Song"
            });
            event.await;
            drop(first);
            tokio::time::sleep(Duration::from_millis(500)).await;
            first = source(port, "live.mp3", "audio/mpeg", &mp3);
            let heard = sounds(&mut listener, 400).await;
            assert_eq!(heard.len(), 400, "after the break");
            let (_, body) = node.get(&player(&session, 1)).await;
            assert!(!body["track"].is_null(), "{body}");
        }
    }
    drop(first);
    node.stop().await;
}
