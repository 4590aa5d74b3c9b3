package volume

import "os"

func processUser() uint32 { return uint32(os.Geteuid()) }
