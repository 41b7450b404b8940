//! Describes the container of a server, as its engine reports it. Pure data:
//! the target asks the engine, and the run compares the description with the
//! recipe.

/// Description of a container by its engine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ContainerDescription {
    /// Program of the engine: `docker`, `podman`.
    pub engine: String,
    pub name: String,
    /// Container id; changes when the container is created anew.
    pub id: String,
    /// Image name by which the container was started (`Config.Image`).
    pub image: String,
    /// Image id: the digest of its configuration, not of its manifest.
    pub image_id: String,
    /// Names with digests that the engine has for the image (`RepoDigests`); none for an image
    /// that was built locally.
    pub digests: Vec<String>,
    /// Start time of the container's process, as the engine writes it.
    pub started: String,
    /// Environment of the process. Some values must never be written.
    pub env: Vec<(String, String)>,
}
