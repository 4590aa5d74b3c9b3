package vecio

// held is how much memory a batch holds, in bytes.
func (b *batch) held() int { return cap(b.rows) + 8*cap(b.ids) }

// trim gives the memory back that holds nothing.
func (b *batch) trim() {
	if len(b.rows) == 0 {
		b.rows = nil
	}
	if len(b.ids) == 0 {
		b.ids = nil
	}
}

// nilIfEmpty is p, or nothing if it holds nothing.
func nilIfEmpty(p []byte) []byte {
	if len(p) == 0 {
		return nil
	}
	return p
}

// Held implements Decoder.
func (d *rawDecoder) Held() int { return cap(d.partial) }

// Trim implements Decoder.
func (d *rawDecoder) Trim() { d.partial = nilIfEmpty(d.partial) }

// Held implements Decoder.
func (d *jsonDecoder) Held() int {
	const name = maxNameBytes + 16
	return d.batch.held() + cap(d.number) + cap(d.name) + name*cap(d.names)
}

// Trim implements Decoder.
func (d *jsonDecoder) Trim() { d.batch.trim() }

// Held implements Decoder.
func (d *segmentsDecoder) Held() int {
	const placed, run = 48, 16
	places := placed*(cap(d.state.vectors)+cap(d.state.named)) + run*cap(d.state.order)
	return d.batch.held() + cap(d.header) + cap(d.row) + cap(d.entry) + places
}

// Trim implements Decoder.
func (d *segmentsDecoder) Trim() {
	d.batch.trim()
	d.row = nilIfEmpty(d.row)
}

// held is how much memory the body of an array holds.
func (d *arrayBody) held() int {
	const run = 16
	return d.batch.held() + cap(d.cut) + cap(d.cutter.partial) + run*cap(d.given.runs)
}

// trim gives the memory back that holds nothing.
func (d *arrayBody) trim() {
	d.batch.trim()
	d.cut, d.cutter.partial = nilIfEmpty(d.cut), nilIfEmpty(d.cutter.partial)
}

// Held implements Decoder.
func (d *npyDecoder) Held() int { return d.arrayBody.held() + cap(d.head) }

// Trim implements Decoder.
func (d *npyDecoder) Trim() {
	d.arrayBody.trim()
	d.head = nilIfEmpty(d.head)
}

// Held implements Decoder.
func (d *countedDecoder) Held() int { return d.arrayBody.held() + cap(d.head) }

// Trim implements Decoder.
func (d *countedDecoder) Trim() { d.arrayBody.trim() }

// Held implements Decoder. Of the header a parsed copy is made.
func (d *safetensorsDecoder) Held() int { return d.arrayBody.held() + 4*cap(d.head) + cap(d.value) }

// Trim implements Decoder.
func (d *safetensorsDecoder) Trim() {
	d.arrayBody.trim()
	d.value = nilIfEmpty(d.value)
}

// Held implements Decoder.
func (d *vecsDecoder) Held() int { return d.batch.held() + cap(d.prefix) }

// Trim implements Decoder.
func (d *vecsDecoder) Trim() { d.batch.trim() }

// Held implements Decoder.
func (d *tableDecoder) Held() int {
	held := d.batch.held() + cap(d.held) + cap(d.above)
	if d.first != nil {
		held += cap(d.first.text)
	}
	return held
}

// Trim implements Decoder.
func (d *tableDecoder) Trim() {
	d.batch.trim()
	d.held = nilIfEmpty(d.held)
}

// Held implements Decoder. What is looked at while the format is in doubt does not
// count: it is some hundred bytes.
func (d *autoDecoder) Held() int {
	switch {
	case d.inner != nil:
		return d.inner.Held()
	case d.probe != nil:
		return cap(d.held) + d.probe.Held()
	}
	return cap(d.held)
}

// Trim implements Decoder.
func (d *autoDecoder) Trim() {
	if d.inner != nil {
		d.inner.Trim()
	}
}
