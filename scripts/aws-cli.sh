#!/usr/bin/env bash
# Types what a user of EBS types: the `aws` command line, unmodified, against the emulator. Ends
# with `N passed, N failed, N skipped`.

# shellcheck source=scripts/emulator.sh
. "$(dirname "${BASH_SOURCE[0]}")/emulator.sh"
# shellcheck source=scripts/checks.sh
. scripts/checks.sh

if ! have aws; then
    say "skipped: there is no aws command (package awscli)"
    say "0 passed, 0 failed, 1 skipped"
    exit 0
fi

work=$(mktemp -d)
clean_up() {
    stop_emulator || true
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

start_emulator "$work" --zones 2 --instances 2 --backing none
# Nothing of the user's own set-up may leak in.
export AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null AWS_PAGER='' AWS_EC2_METADATA_DISABLED=true
export AWS_DEFAULT_REGION=$AWS_REGION

# The `aws` of Debian 12 is older than AWS_ENDPOINT_URL_EC2.
ec2() { aws --endpoint-url "$AWS_ENDPOINT_URL_EC2" --output json ec2 "$@"; }

# refused CODE COMMAND...: prints CODE if the command fails with it, else what it said.
refused() {
    local code=$1 said
    shift
    if said=$("$@" 2>&1); then
        say "success: $said"
    elif [[ $said == *"($code)"* ]]; then
        say "$code"
    else
        say "$said"
    fi
}
state() { ec2 describe-volumes --volume-ids "$1" | jq -r '.Volumes[0].State'; }

nodes=$(ec2 describe-instances)
group=$(jq -r '[.Reservations[].Instances[].SecurityGroups[].GroupName] | first' <<<"$nodes")
zone=$(jq -r --arg group "$group" '[.Reservations[].Instances[]
    | select(.SecurityGroups[].GroupName==$group) | .Placement.AvailabilityZone] | first' <<<"$nodes")
check "the zone of a node is found by its security group" "$zone" eu-central-1a
node=$(jq -r --arg zone "$zone" '[.Reservations[].Instances[]
    | select(.Placement.AvailabilityZone==$zone) | .InstanceId] | first' <<<"$nodes")

volume=$(ec2 create-volume --availability-zone "$zone" --size 10 --volume-type gp2 \
    --tag-specifications "ResourceType=volume,Tags=[{Key=KubernetesCluster,Value=demo}]" | jq -r .VolumeId)
check "a volume is made" "${volume%%-*}" vol
ec2 wait volume-available --volume-ids "$volume"
check "it becomes available" "$(state "$volume")" available
shown=$(ec2 describe-volumes --volume-ids "$volume" | jq -r '.Volumes[0] | "\(.Size) \(.VolumeType) \(.AvailabilityZone) \(.Tags[0].Key)=\(.Tags[0].Value)"')
check "it is what was asked for" "$shown" "10 gp2 $zone KubernetesCluster=demo"
found=$(ec2 describe-volumes --filters Name=tag:KubernetesCluster,Values=demo | jq -r '.Volumes[].VolumeId')
check "it is found by its tag" "$found" "$volume"
ec2 create-tags --resources "$volume" --tags Key=team,Value=storage
tags=$(ec2 describe-tags --filters "Name=resource-id,Values=$volume" Name=resource-type,Values=volume | jq -r '.Tags[] | "\(.Key)=\(.Value)"' | paste -sd ' ')
check "its tags are listed" "$tags" "KubernetesCluster=demo team=storage"
ec2 delete-tags --resources "$volume" --tags Key=team
check "a tag that is deleted is listed no more" "$(ec2 describe-tags --filters Name=tag:team,Values=storage | jq '.Tags | length')" 0

ec2 attach-volume --volume-id "$volume" --instance-id "$node" --device /dev/xvdba >"$work/attach"
ec2 wait volume-in-use --volume-ids "$volume"
check "it is attached" "$(ec2 describe-volumes --volume-ids "$volume" | jq -r '.Volumes[0].Attachments[0].InstanceId')" "$node"
check "an attached volume is not deleted" "$(refused VolumeInUse ec2 delete-volume --volume-id "$volume")" VolumeInUse

ec2 modify-volume --volume-id "$volume" --size 12 --volume-type gp3 >"$work/modify"
grown() { [ "$(ec2 describe-volumes --volume-ids "$volume" | jq -r '.Volumes[0].Size')" = 12 ]; }
wait_for 60 "$emulator_pid" grown || true
check "it grows while attached" "$(ec2 describe-volumes --volume-ids "$volume" | jq -r '.Volumes[0] | "\(.Size) \(.VolumeType)"')" "12 gp3"

snapshot=$(ec2 create-snapshot --volume-id "$volume" --description "before the upgrade" | jq -r .SnapshotId)
ec2 wait snapshot-completed --snapshot-ids "$snapshot"
check "a snapshot is taken" "$(ec2 describe-snapshots --owner-ids self --snapshot-ids "$snapshot" | jq -r '.Snapshots[0] | "\(.State) \(.VolumeSize)"')" "completed 12"

ec2 detach-volume --volume-id "$volume" >"$work/detach"
ec2 wait volume-available --volume-ids "$volume"
check "it is detached" "$(state "$volume")" available

copy=$(ec2 create-volume --availability-zone "$zone" --snapshot-id "$snapshot" | jq -r .VolumeId)
ec2 wait volume-available --volume-ids "$copy"
check "the snapshot is restored" "$(ec2 describe-volumes --volume-ids "$copy" | jq -r '.Volumes[0] | "\(.Size) \(.SnapshotId)"')" "12 $snapshot"

check "a dry run says that it would have worked" \
    "$(refused DryRunOperation ec2 create-volume --dry-run --availability-zone "$zone" --size 1)" DryRunOperation
check "an unknown volume is not found" \
    "$(refused InvalidVolume.NotFound ec2 describe-volumes --volume-ids vol-0123456789abcdef0)" InvalidVolume.NotFound
check "a misspelt id is malformed" \
    "$(refused InvalidVolumeID.Malformed ec2 describe-volumes --volume-ids nonsense)" InvalidVolumeID.Malformed

ec2 delete-volume --volume-id "$copy"
ec2 delete-volume --volume-id "$volume"
ec2 wait volume-deleted --volume-ids "$volume" "$copy"
ec2 delete-snapshot --snapshot-id "$snapshot"
check "nothing is left" "$(ec2 describe-volumes --filters Name=tag:KubernetesCluster,Values=demo | jq '.Volumes | length')" 0

finish
