//! The container that a server runs in, as its engine describes it. A plain
//! noun: who asks the engine is a target's affair, what it is held against is
//! the run's.

/// What a container engine says of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Contained {
    /// The engine's program: `docker`, `podman`.
    pub engine: String,
    pub name: String,
    /// Its id; another one when it was made anew.
    pub id: String,
    /// The image under the name by which it was started (`Config.Image`).
    pub image: String,
    /// The image's id: of its configuration, not of its manifest.
    pub image_id: String,
    /// Names with digests that the engine has for the image (`RepoDigests`): none of an
    /// image that was built here.
    pub digests: Vec<String>,
    /// When its process was started, in the engine's own words.
    pub started: String,
    /// The environment of its process, values among it that must never be written.
    pub env: Vec<(String, String)>,
}
