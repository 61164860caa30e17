//! What a node says about itself: `GET /v4/info`.

use serde::{Deserialize, Serialize};

/// What a node says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Info {
    /// Its version.
    pub version: Version,
    /// When it was built, in milliseconds since 1970 UTC.
    pub build_time: i64,
    /// From which commit.
    pub git: Git,
    /// Its runtime; never empty.
    pub jvm: String,
    /// Its player library; never empty.
    pub lavaplayer: String,
    /// Enabled sources.
    pub source_managers: Vec<String>,
    /// Enabled filters.
    pub filters: Vec<String>,
    /// Plugins.
    pub plugins: Vec<Plugin>,
}

/// A semantic version, in parts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Version {
    /// The whole of it.
    pub semver: String,
    /// Major.
    pub major: u32,
    /// Minor.
    pub minor: u32,
    /// Patch.
    pub patch: u32,
    /// Pre-release part; an explicit `null` without.
    #[serde(default)]
    pub pre_release: Option<String>,
    /// Build metadata: documented, but left out by the reference server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<String>,
}

/// The commit a node was built from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Git {
    /// Branch.
    pub branch: String,
    /// Short hash.
    pub commit: String,
    /// Milliseconds since 1970 UTC.
    pub commit_time: i64,
}

/// A plugin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plugin {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn info_is_written_as_the_reference_does() {
        let json = json!({
            "version": {"semver": "4.2.2", "major": 4, "minor": 2, "patch": 2, "preRelease": null},
            "buildTime": 1, "git": {"branch": "main", "commit": "abcdef1", "commitTime": 2},
            "jvm": "none", "lavaplayer": "none", "sourceManagers": ["http"], "filters": ["volume"],
            "plugins": [{"name": "x-plugin", "version": "1.0.0"}]
        });
        let info: Info = serde_json::from_value(json.clone()).expect("deserializes");
        assert_eq!(serde_json::to_value(&info).expect("serializes"), json);
    }
}
