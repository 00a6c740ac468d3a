//! The client of the API server.

use std::path::Path;
use std::time::Duration;

use kube::config::KubeConfigOptions;
use kube::{Client, Config};

mod kubeconfig;

pub use kubeconfig::KubeconfigFault;

/// A longer attempt is one to a server that is away.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// How the API server is reached.
#[derive(Clone, Debug)]
pub struct ClusterAccess(Config);

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// A kubeconfig that cannot be used.
    #[error("{file}: {error}")]
    Kubeconfig {
        /// The file.
        file: String,
        /// What is wrong with it.
        error: KubeconfigFault,
    },
    /// There is no configuration of a pod.
    #[error(
        "not in a pod of a cluster: {0}; elsewhere, --kubeconfig names the file that tells where the cluster is"
    )]
    NotInCluster(kube::config::InClusterError),
    /// The configuration of the client is not valid.
    #[error("the client of the API server cannot be made: {0}")]
    Client(kube::Error),
}

impl ClusterAccess {
    /// Finds the API server by a kubeconfig file, or without one by what Kubernetes gives to a pod.
    ///
    /// # Errors
    /// If there is no configuration, or it is not valid.
    pub async fn find(kubeconfig: Option<&Path>) -> Result<Self, ConnectError> {
        let mut config = match kubeconfig {
            Some(path) => from_file(path)
                .await
                .map_err(|error| ConnectError::Kubeconfig {
                    file: path.display().to_string(),
                    error,
                })?,
            None => Config::incluster().map_err(ConnectError::NotInCluster)?,
        };
        config.connect_timeout = Some(CONNECT_LIMIT);
        // It would repeat inside of a call for minutes, so that nobody learns that the server is away.
        config.default_retry = false;
        Ok(Self(config))
    }

    /// Makes a client. It does not connect yet; its connections will be tasks of the current runtime.
    ///
    /// # Errors
    /// If the configuration is not valid.
    pub fn client(&self) -> Result<Client, ConnectError> {
        Client::try_from(self.0.clone()).map_err(ConnectError::Client)
    }
}

/// Makes a client by a kubeconfig file, or without one by what Kubernetes gives to a pod. It does not connect yet.
///
/// # Errors
/// If there is no configuration, or it is not valid.
pub async fn connect(kubeconfig: Option<&Path>) -> Result<Client, ConnectError> {
    ClusterAccess::find(kubeconfig).await?.client()
}

async fn from_file(path: &Path) -> Result<Config, KubeconfigFault> {
    let file = kubeconfig::read(path)?;
    Ok(Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?)
}
