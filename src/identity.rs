//! The Identity service: who this driver is and what it offers as a whole.
//!
//! Answers for: name, version, plugin capabilities per role. Doesn't answer for: single RPCs' capabilities, which their services give.

use csi::v1::identity_server::Identity;
use csi::v1::plugin_capability::{Service, Type, VolumeExpansion, service, volume_expansion};
use csi::v1::{
    GetPluginCapabilitiesRequest, GetPluginCapabilitiesResponse, GetPluginInfoRequest,
    GetPluginInfoResponse, PluginCapability, ProbeRequest, ProbeResponse,
};
use tonic::{Request, Response, Status};

/// The CSI name of this driver. Persistent volumes, storage classes and CSINode objects carry it: the same as the Go driver's.
pub(crate) const DRIVER_NAME: &str = "ebs.csi.aws.com";

/// Which services a process serves beside Identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Controller.
    Controller,
    /// Node.
    Node,
    /// Both.
    All,
}

/// The Identity service of a process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IdentityService {
    role: Role,
}

impl IdentityService {
    /// The service for a process of this role.
    pub(crate) fn new(role: Role) -> Self {
        Self { role }
    }

    fn capabilities(self) -> Vec<PluginCapability> {
        let of_controller: &[_] = match self.role {
            Role::Controller | Role::All => &[
                service::Type::ControllerService,
                service::Type::GroupControllerService,
                service::Type::SnapshotMetadataService,
            ],
            Role::Node => &[],
        };
        of_controller
            .iter()
            .map(|kind| service(*kind))
            .chain([
                service(service::Type::VolumeAccessibilityConstraints),
                service(service::Type::SnapshotAccessibilityConstraints),
                expansion(volume_expansion::Type::Online),
            ])
            .map(|capability| PluginCapability {
                r#type: Some(capability),
            })
            .collect()
    }
}

fn service(kind: service::Type) -> Type {
    Type::Service(Service {
        r#type: kind.into(),
    })
}

fn expansion(kind: volume_expansion::Type) -> Type {
    Type::VolumeExpansion(VolumeExpansion {
        r#type: kind.into(),
    })
}

#[tonic::async_trait]
impl Identity for IdentityService {
    async fn get_plugin_info(
        &self,
        _request: Request<GetPluginInfoRequest>,
    ) -> Result<Response<GetPluginInfoResponse>, Status> {
        Ok(Response::new(GetPluginInfoResponse {
            name: DRIVER_NAME.to_owned(),
            vendor_version: env!("CARGO_PKG_VERSION").to_owned(),
            ..GetPluginInfoResponse::default()
        }))
    }

    async fn get_plugin_capabilities(
        &self,
        _request: Request<GetPluginCapabilitiesRequest>,
    ) -> Result<Response<GetPluginCapabilitiesResponse>, Status> {
        Ok(Response::new(GetPluginCapabilitiesResponse {
            capabilities: self.capabilities(),
        }))
    }

    /// Ready as soon as it is served. EC2 out of reach is no reason to restart this process, so it is not asked here.
    async fn probe(
        &self,
        _request: Request<ProbeRequest>,
    ) -> Result<Response<ProbeResponse>, Status> {
        Ok(Response::new(ProbeResponse { ready: Some(true) }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_says_who_it_is_and_that_it_is_ready() {
        let identity = IdentityService::new(Role::All);
        let info = identity
            .get_plugin_info(Request::new(GetPluginInfoRequest {}))
            .await
            .unwrap();
        assert_eq!(info.get_ref().name, "ebs.csi.aws.com");
        assert_eq!(info.get_ref().vendor_version, env!("CARGO_PKG_VERSION"));
        let probe = identity.probe(Request::new(ProbeRequest {})).await.unwrap();
        assert_eq!(probe.get_ref().ready, Some(true));
    }

    #[test]
    fn only_a_controller_offers_what_takes_the_cloud() {
        for kind in [
            service::Type::ControllerService,
            service::Type::GroupControllerService,
            service::Type::SnapshotMetadataService,
        ] {
            let offers = |role| {
                let all = IdentityService::new(role).capabilities();
                all.iter().any(|c| c.r#type == Some(service(kind)))
            };
            assert!(offers(Role::Controller) && offers(Role::All) && !offers(Role::Node));
        }
    }

    #[test]
    fn every_role_offers_places_and_online_growth() {
        for role in [Role::Controller, Role::Node, Role::All] {
            let all = IdentityService::new(role).capabilities();
            for wanted in [
                service(service::Type::VolumeAccessibilityConstraints),
                service(service::Type::SnapshotAccessibilityConstraints),
                expansion(volume_expansion::Type::Online),
            ] {
                assert!(all.iter().any(|c| c.r#type.as_ref() == Some(&wanted)));
            }
        }
    }
}
