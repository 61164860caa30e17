//! The voice gateway's own place in every group: the external sender of its proposals.

use openmls::prelude::{
    BasicCredential, Ciphersuite, ExternalProposal, ExternalSender, GroupEpoch, GroupId,
    KeyPackage, KeyPackageIn, LeafNodeIndex, OpenMlsCrypto, OpenMlsProvider, ProtocolVersion,
    SenderExtensionIndex,
    tls_codec::{DeserializeBytes, Serialize},
};
use openmls_basic_credential::SignatureKeyPair;
use openmls_rust_crypto::OpenMlsRustCrypto;

use super::wire;

/// Signs proposals and checks key packages.
pub(super) struct Sender {
    provider: OpenMlsRustCrypto,
    signer: SignatureKeyPair,
    group_id: GroupId,
    /// What members are told of it, opcode 25.
    pub(super) package: Vec<u8>,
}

/// A checked key package of a member that wants to be added.
#[derive(Debug, Clone)]
pub(super) struct Package {
    content: KeyPackage,
    /// By which a welcome names it.
    pub(super) reference: Vec<u8>,
    pub(super) signature_key: Vec<u8>,
}

/// A signed proposal.
#[derive(Debug, Clone)]
pub(super) struct Signed {
    pub(super) message: Vec<u8>,
    /// By which a commit names it.
    pub(super) reference: Vec<u8>,
}

impl Sender {
    pub(super) fn new(channel_id: u64) -> Self {
        let signer = SignatureKeyPair::new(SUITE.signature_algorithm())
            .expect("the cipher suite's signatures are supported");
        let credential = BasicCredential::new(IDENTITY.to_vec());
        let package = ExternalSender::new(signer.public().into(), credential.into())
            .tls_serialize_detached()
            .expect("an external sender can be written");
        Self {
            provider: OpenMlsRustCrypto::default(),
            signer,
            group_id: GroupId::from_slice(&channel_id.to_be_bytes()),
            package,
        }
    }

    pub(super) fn group_id(&self) -> &[u8] {
        self.group_id.as_slice()
    }

    /// Reads and checks a key package: its signatures, its suite, its life, and whose it is.
    pub(super) fn check(&self, payload: &[u8], user_id: u64) -> Option<Package> {
        let bare = wire::bare_key_package(payload);
        let key_package = KeyPackageIn::tls_deserialize_exact_bytes(bare)
            .ok()?
            .validate(self.provider.crypto(), ProtocolVersion::Mls10)
            .ok()?;
        let leaf = key_package.leaf_node();
        let life = key_package.life_time();
        let sound = key_package.ciphersuite() == SUITE
            && leaf.credential().serialized_content() == user_id.to_be_bytes()
            && (life.not_before(), life.not_after()) == (0, u64::MAX);
        let signature_key = leaf.signature_key().as_slice().to_vec();
        let reference = key_package.hash_ref(self.provider.crypto()).ok()?;
        sound.then(|| Package {
            reference: reference.as_slice().to_vec(),
            signature_key,
            content: key_package,
        })
    }

    pub(super) fn propose_add(&self, package: &Package, epoch: u64) -> Signed {
        let message = ExternalProposal::new_add::<OpenMlsRustCrypto>(
            package.content.clone(),
            self.group_id.clone(),
            GroupEpoch::from(epoch),
            &self.signer,
            SenderExtensionIndex::new(0),
        )
        .expect("our own key signs");
        self.signed(
            &message
                .tls_serialize_detached()
                .expect("a proposal can be written"),
        )
    }

    pub(super) fn propose_remove(&self, leaf: u32, epoch: u64) -> Signed {
        let message = ExternalProposal::new_remove::<OpenMlsRustCrypto>(
            LeafNodeIndex::new(leaf),
            self.group_id.clone(),
            GroupEpoch::from(epoch),
            &self.signer,
            SenderExtensionIndex::new(0),
        )
        .expect("our own key signs");
        self.signed(
            &message
                .tls_serialize_detached()
                .expect("a proposal can be written"),
        )
    }

    fn signed(&self, message: &[u8]) -> Signed {
        let reference = self
            .provider
            .crypto()
            .hash(SUITE.hash_algorithm(), &wire::reference_input(message))
            .expect("the cipher suite's hash is supported");
        Signed {
            message: message.to_vec(),
            reference,
        }
    }
}

impl std::fmt::Debug for Sender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sender")
            .field("group_id", &self.group_id)
            .finish_non_exhaustive()
    }
}

/// The suite of protocol version 1.
const SUITE: Ciphersuite = Ciphersuite::MLS_128_DHKEMP256_AES128GCM_SHA256_P256;
/// Members compare it, and show it to nobody.
const IDENTITY: &[u8] = b"voice gateway";
