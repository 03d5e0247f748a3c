//! ValidateVolumeCapabilities: can this volume be used in these ways?

use csi::v1::validate_volume_capabilities_response::Confirmed;
use csi::v1::{
    ValidateVolumeCapabilitiesRequest, ValidateVolumeCapabilitiesResponse, VolumeCapability,
};

use super::error::Error;
use super::{ControllerService, request, sharing};
use crate::capability::Capability;
use crate::status::InvalidRequest;

/// Serves the RPC. What the driver does not offer is an answer, not an error.
pub(super) async fn run(
    service: &ControllerService,
    message: ValidateVolumeCapabilitiesRequest,
) -> Result<ValidateVolumeCapabilitiesResponse, Error> {
    let handle = request::volume_id(&message.volume_id)?;
    if message.volume_capabilities.is_empty() {
        return Err(InvalidRequest::Missing {
            field: "volume_capabilities",
            hint: "name at least one capability to validate",
        }
        .into());
    }
    if request::node_local(service, handle)?.is_some() {
        return Ok(answer(message, |field, capability| {
            let parsed = Capability::parse_node_local(field, capability);
            parsed.map(drop).map_err(|refusal| refusal.to_string())
        }));
    }
    let volume = service.cloud.volume(&request::volume(handle)?).await?;
    if volume.state.is_gone() {
        return Err(Error::VolumeGone { volume: volume.id });
    }
    Ok(answer(message, |field, capability| {
        let parsed = Capability::parse(field, capability).map_err(|refusal| refusal.to_string())?;
        sharing::objection(&parsed, &volume).map_or(Ok(()), Err)
    }))
}

fn answer(
    message: ValidateVolumeCapabilitiesRequest,
    judge: impl Fn(&'static str, Option<&VolumeCapability>) -> Result<(), String>,
) -> ValidateVolumeCapabilitiesResponse {
    let refusal = message
        .volume_capabilities
        .iter()
        .find_map(|capability| judge("volume_capabilities", Some(capability)).err());
    match refusal {
        Some(refusal) => ValidateVolumeCapabilitiesResponse {
            confirmed: None,
            message: refusal,
        },
        None => ValidateVolumeCapabilitiesResponse {
            confirmed: Some(Confirmed {
                volume_context: message.volume_context,
                volume_capabilities: message.volume_capabilities,
                parameters: message.parameters,
                mutable_parameters: message.mutable_parameters,
            }),
            message: String::new(),
        },
    }
}

#[cfg(test)]
mod tests {
    use csi::v1::controller_server::Controller;
    use csi::v1::volume_capability::access_mode::Mode;
    use csi::v1::volume_capability::{AccessMode, AccessType, BlockVolume};
    use tonic::{Code, Request, Status};

    use super::super::testing::{FakeEc2, capability, create, create_request, service};
    use super::*;

    async fn validate(
        service: &ControllerService,
        volume: &str,
        volume_capabilities: Vec<VolumeCapability>,
    ) -> Result<ValidateVolumeCapabilitiesResponse, Status> {
        let message = ValidateVolumeCapabilitiesRequest {
            volume_id: volume.to_owned(),
            volume_capabilities,
            ..ValidateVolumeCapabilitiesRequest::default()
        };
        let answer = service
            .validate_volume_capabilities(Request::new(message))
            .await?;
        Ok(answer.into_inner())
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_offered_is_confirmed_and_the_rest_explained() {
        let fake = FakeEc2::new();
        let service = service(&fake);
        let volume = create(&service, create_request("pvc"))
            .await
            .unwrap()
            .volume_id;
        let yes = validate(&service, &volume, vec![capability()])
            .await
            .unwrap();
        assert_eq!(yes.confirmed.unwrap().volume_capabilities, [capability()]);
        let shared = |access_type, mode: Mode| VolumeCapability {
            access_mode: Some(AccessMode { mode: mode.into() }),
            access_type: Some(access_type),
        };
        let mount = capability().access_type.unwrap();
        let block = AccessType::Block(BlockVolume {});
        for (access_type, words) in [
            (mount.clone(), "for one node at a time"),
            (block.clone(), "is of type gp3 and has no Multi-Attach"),
        ] {
            let many = shared(access_type, Mode::MultiNodeMultiWriter);
            let no = validate(&service, &volume, vec![many]).await.unwrap();
            assert!(no.confirmed.is_none(), "{no:?}");
            assert!(no.message.contains(words), "{no:?}");
        }
        // Pods of one node, or of one after the other.
        let readers = shared(mount, Mode::MultiNodeReaderOnly);
        let yes = validate(&service, &volume, vec![readers]).await.unwrap();
        assert!(yes.confirmed.is_some(), "{yes:?}");

        let id = volume.parse().unwrap();
        fake.state().volumes.get_mut(&id).unwrap().multi_attach = true;
        let many = shared(block, Mode::MultiNodeMultiWriter);
        let yes = validate(&service, &volume, vec![many]).await.unwrap();
        assert!(yes.confirmed.is_some(), "{yes:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_missing_or_unknown_is_an_error() {
        let fake = FakeEc2::new();
        let service = service(&fake);
        let code = async |volume: &str, capabilities| {
            validate(&service, volume, capabilities)
                .await
                .unwrap_err()
                .code()
        };
        assert_eq!(code("", vec![capability()]).await, Code::InvalidArgument);
        assert_eq!(code("vol-0000dead", vec![]).await, Code::InvalidArgument);
        assert_eq!(
            code("vol-0000dead", vec![capability()]).await,
            Code::NotFound
        );
        assert_eq!(
            code("fake-vol-id", vec![capability()]).await,
            Code::NotFound
        );
    }
}
