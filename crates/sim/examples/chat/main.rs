//! The chat page with a small bot on raw sockets, to look at the page without the real one.
//!
//! ```sh
//! cargo run -p backline-sim --example chat -- 8080
//! ```

mod bot;
mod sound;

use backline_sim::{
    chat::{ChatOptions, extra_routes},
    discord::{ChannelKind, Discord, Options},
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let port = std::env::args().nth(1).map_or(Ok(0), |port| port.parse())?;
    let suggestions = ["/play nocturne", "/play rain", "/queue", "/ping"].map(str::to_owned);
    let chat = ChatOptions {
        user: None,
        suggestions: suggestions.to_vec(),
    };
    let options = Options {
        port,
        human: Some("Robin".to_owned()),
        extra: extra_routes(chat),
        ..Options::default()
    };
    let discord = Discord::start(options).await?;

    let robin = discord.people()[0];
    let guild = discord.add_guild("Rehearsal Room");
    guild.add_member(robin);
    let mira = guild.add_user("Mira Castellanos-Oyelaran");
    let general = guild.add_text_channel("general");
    guild.add_text_channel("set-list");
    let music = guild.add_voice_channel("Music");
    guild.add_channel("Quiet Corner", ChannelKind::Voice);
    discord.add_guild("Night Shift").add_member(robin);
    discord.join_voice(robin, music)?;
    discord.join_voice(mira, music)?;
    discord.say(
        mira,
        general,
        "Anyone up for something *quiet* while we wait?",
    )?;

    let bot = tokio::spawn(bot::run(discord.clone()));
    eprintln_url(&discord.url());
    tokio::select! {
        ended = bot => ended?,
        _ = tokio::signal::ctrl_c() => {}
    }
    Ok(())
}

#[expect(clippy::print_stderr, reason = "the one thing a person needs to know")]
fn eprintln_url(url: &str) {
    eprintln!("open {url}");
}
