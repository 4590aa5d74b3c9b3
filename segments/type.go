package segments

import "fmt"

// Type says what a segment's payload is.
type Type uint8

// The segment types of the format. Values from 0xF0 on belong to vendors;
// all others that are not listed are unknown and kept as they are.
const (
	TypeInvalid           Type = 0x00
	TypeVec               Type = 0x01
	TypeIndex             Type = 0x02
	TypeOverlay           Type = 0x03
	TypeJournal           Type = 0x04
	TypeManifest          Type = 0x05
	TypeQuant             Type = 0x06
	TypeMeta              Type = 0x07
	TypeHot               Type = 0x08
	TypeSketch            Type = 0x09
	TypeWitness           Type = 0x0A
	TypeProfile           Type = 0x0B
	TypeCrypto            Type = 0x0C
	TypeMetaIndex         Type = 0x0D
	TypeKernel            Type = 0x0E
	TypeEBPF              Type = 0x0F
	TypeWASM              Type = 0x10
	TypeDashboard         Type = 0x11
	TypeCowMap            Type = 0x20
	TypeRefcount          Type = 0x21
	TypeMembership        Type = 0x22
	TypeDelta             Type = 0x23
	TypeTransferPrior     Type = 0x30
	TypePolicyKernel      Type = 0x31
	TypeCostCurve         Type = 0x32
	TypeFederatedManifest Type = 0x33
	TypeDiffPrivacyProof  Type = 0x34
	TypeRedactionLog      Type = 0x35
	TypeAggregateWeights  Type = 0x36

	// TypeKeptState, TypeBranches and TypeFreeze are vendor extensions of this engine.
	TypeKeptState Type = 0xF1
	TypeBranches  Type = 0xF2
	TypeFreeze    Type = 0xF3
)

var typeNames = map[Type]string{
	TypeInvalid:           "invalid",
	TypeVec:               "vec",
	TypeIndex:             "index",
	TypeOverlay:           "overlay",
	TypeJournal:           "journal",
	TypeManifest:          "manifest",
	TypeQuant:             "quant",
	TypeMeta:              "meta",
	TypeHot:               "hot",
	TypeSketch:            "sketch",
	TypeWitness:           "witness",
	TypeProfile:           "profile",
	TypeCrypto:            "crypto",
	TypeMetaIndex:         "metaidx",
	TypeKernel:            "kernel",
	TypeEBPF:              "ebpf",
	TypeWASM:              "wasm",
	TypeDashboard:         "dashboard",
	TypeCowMap:            "cow_map",
	TypeRefcount:          "refcount",
	TypeMembership:        "membership",
	TypeDelta:             "delta",
	TypeTransferPrior:     "transfer_prior",
	TypePolicyKernel:      "policy_kernel",
	TypeCostCurve:         "cost_curve",
	TypeFederatedManifest: "federated_manifest",
	TypeDiffPrivacyProof:  "diff_privacy_proof",
	TypeRedactionLog:      "redaction_log",
	TypeAggregateWeights:  "aggregate_weights",
}

// Known reports whether the format gives t a meaning. The invalid type and
// vendor extensions have none.
func (t Type) Known() bool {
	_, ok := typeNames[t]
	return ok && t != TypeInvalid
}

// String returns the format's name of t in lower case, or its number as
// "0xf7" if it has none.
func (t Type) String() string {
	if name, ok := typeNames[t]; ok {
		return name
	}
	return fmt.Sprintf("0x%02x", uint8(t))
}

// preserved reports whether a segment of this type that stands behind the
// newest manifest is to be kept. The others are what an interrupted commit
// leaves behind: they count only when a manifest names them.
func (t Type) preserved() bool {
	switch t {
	case TypeInvalid, TypeVec, TypeIndex, TypeJournal, TypeManifest:
		return false
	}
	return !t.CountsByName()
}
