//! Voice requests and voice events.

use backline_service::message::{ToAudio, ToDiscord};

use crate::house::{House, channel};

async fn request(house: &House, place: Option<backline_core::id::ChannelId>) {
    let message = ToDiscord::Voice {
        guild: house.guild_id(),
        channel: place,
    };
    house
        .services
        .lines
        .send_to_discord(message)
        .await
        .expect("the bus is open");
}

/// Takes voice events until `found` has what it wants; the order of others does not matter.
async fn until<T>(house: &mut House, mut found: impl FnMut(ToAudio) -> Option<T>) -> T {
    loop {
        if let Some(value) = found(house.next_to_audio().await) {
            return value;
        }
    }
}

#[tokio::test]
async fn the_bot_joins_deaf_and_the_audio_role_learns_all_it_needs() {
    let mut house = House::open().await;
    request(&house, Some(channel(house.voice))).await;
    let place = house
        .discord
        .until_bot_in_voice(house.guild.id())
        .await
        .unwrap();
    assert_eq!(place.channel, house.voice);
    assert!(place.self_deaf && !place.self_mute);

    let (mut state, mut server, mut listeners) = (None, None, None);
    while state.is_none() || server.is_none() || listeners.is_none() {
        match house.next_to_audio().await {
            ToAudio::VoiceState {
                channel,
                session_id,
                ..
            } => state = Some((channel, session_id)),
            ToAudio::VoiceServer {
                token, endpoint, ..
            } => server = Some((token, endpoint)),
            ToAudio::Listeners { people, .. } => listeners = Some(people),
            ToAudio::GuildLeft { .. } => panic!("nobody left"),
        }
    }
    assert_eq!(state, Some((Some(channel(house.voice)), place.session)));
    let (token, endpoint) = server.expect("told");
    assert!(!token.is_empty() && endpoint.is_some());
    assert_eq!(listeners, Some(1));
}

#[tokio::test]
async fn people_who_come_and_go_are_counted() {
    let mut house = House::open().await;
    request(&house, Some(channel(house.voice))).await;
    let people = |message| match message {
        ToAudio::Listeners { people, .. } => Some(people),
        _ => None,
    };
    assert_eq!(until(&mut house, people).await, 1);
    let other = house.guild.add_user("bob");
    house.discord.join_voice(other, house.voice).unwrap();
    assert_eq!(until(&mut house, people).await, 2);
    house.discord.leave_voice(house.user);
    assert_eq!(until(&mut house, people).await, 1);
    house.discord.leave_voice(other);
    assert_eq!(until(&mut house, people).await, 0);
}

#[tokio::test]
async fn leaving_and_being_thrown_out_are_told() {
    let mut house = House::open().await;
    let left = |message| match message {
        ToAudio::VoiceState { channel: None, .. } => Some(()),
        _ => None,
    };
    request(&house, Some(channel(house.voice))).await;
    house
        .discord
        .until_bot_in_voice(house.guild.id())
        .await
        .unwrap();
    request(&house, None).await;
    until(&mut house, left).await;

    request(&house, Some(channel(house.voice))).await;
    house
        .discord
        .until_bot_in_voice(house.guild.id())
        .await
        .unwrap();
    house.guild.move_member(house.discord.bot().user, None);
    until(&mut house, left).await;
}

#[tokio::test]
async fn a_lost_session_gets_its_place_in_voice_back() {
    let mut house = House::open().await;
    request(&house, Some(channel(house.voice))).await;
    let before = house
        .discord
        .until_bot_in_voice(house.guild.id())
        .await
        .unwrap();
    // Told, hence known.
    until(&mut house, |message| {
        matches!(message, ToAudio::Listeners { .. }).then_some(())
    })
    .await;
    house.discord.faults().invalidate(None, false);
    house
        .discord
        .until("the bot to do it", |discord| {
            (discord.journal().identifies() == 2).then_some(())
        })
        .await
        .unwrap();
    let after = house
        .discord
        .until("the bot to do it", |discord| {
            discord
                .bot_voice_state(house.guild.id())
                .filter(|place| place.session != before.session)
        })
        .await
        .unwrap();
    assert_eq!(after.channel, house.voice);
    let session = until(&mut house, |message| match message {
        ToAudio::VoiceState {
            channel: Some(_),
            session_id,
            ..
        } if session_id != before.session => Some(session_id),
        _ => None,
    })
    .await;
    assert_eq!(
        session, after.session,
        "the audio role learns the new session"
    );
}
