package segments

// Limits on payloads, in bytes. Segments beyond MaxPayload are refused by
// the reference runtime, though it can write them; rvffs reads them and
// writes none.
const (
	MaxPayload     = 268_435_456
	MaxKernelImage = 128 << 20
	// MaxKernelCmdline is a limit of rvffs, not of the format: no kernel takes
	// a longer command line.
	MaxKernelCmdline = 64 << 10
	MaxEBPF          = 16 << 20 // program and type information together
	MaxWASM          = 8 << 20
	MaxDashboard     = 64 << 20
)
