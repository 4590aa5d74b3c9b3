package segments

// WitnessKindName returns the name of a witness entry's kind, or its number as
// "0x07".
func WitnessKindName(kind uint8) string {
	return numberName(kind, map[uint8]string{
		WitnessProvenance:  "provenance",
		WitnessComputation: "computation",
		WitnessLineage:     "lineage",
		WitnessDropped:     "dropped",
	})
}
