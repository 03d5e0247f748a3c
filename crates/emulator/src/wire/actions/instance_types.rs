//! DescribeInstanceTypes, as far as attaching volumes is concerned.

use ebs_types::Hypervisor;

use crate::model::{ApiError, InstanceTypeInfo, Query, Reply};
use crate::wire::xml::Xml;
use crate::wire::{Form, Request};

/// The largest page (EC2 API reference, "DescribeInstanceTypes"); it is also the page of those who ask for none.
const MOST: u32 = 100;

pub(in crate::wire) fn parse(form: &mut Form) -> Result<Request, ApiError> {
    let mut selection = form.selection("InstanceType", MOST)?;
    if selection.ids.is_empty() && selection.paging.is_none() {
        selection.paging = Some(crate::model::Paging {
            max: usize::try_from(MOST).unwrap_or(usize::MAX),
            token: None,
        });
    }
    Ok(Request::Look(Query::InstanceTypes(selection)))
}

pub(in crate::wire) fn render(xml: &mut Xml, reply: &Reply) {
    if let Reply::InstanceTypes(page) = reply {
        xml.list("instanceTypeSet", &page.items, write);
        xml.optional("nextToken", page.next.as_ref());
    }
}

fn write(xml: &mut Xml, info: &InstanceTypeInfo) {
    let (hypervisor, nvme) = match info.limit.hypervisor {
        Hypervisor::Nitro => ("nitro", "required"),
        Hypervisor::Xen => ("xen", "unsupported"),
    };
    let kind = if info.limit.shared {
        "shared"
    } else {
        "dedicated"
    };
    xml.text("instanceType", &info.name);
    xml.text("hypervisor", hypervisor);
    xml.text("bareMetal", info.name.contains(".metal"));
    xml.element("ebsInfo", |xml| {
        xml.text("ebsOptimizedSupport", "default");
        xml.text("encryptionSupport", "supported");
        xml.text("nvmeSupport", nvme);
        xml.text("maximumEbsAttachments", info.limit.volumes);
        xml.text("attachmentLimitType", kind);
        xml.text("maximumEbsCards", info.limit.ebs_cards);
    });
    // Every instance here has one.
    xml.element("networkInfo", |xml| xml.text("maximumNetworkInterfaces", 1));
}
