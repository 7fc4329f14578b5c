/** A column of texts that are UTF-8 already: what is read as bytes and written as bytes needs no JavaScript value in between. */

/** Texts as places in buffers, which must not change before they are appended. */
export class Utf8Column {
  /** What the places are in. */
  readonly buffers: Buffer[] = []
  /** Three numbers a row: which buffer (-1 for NULL), where the text begins, where it ends. */
  places = new Int32Array(3 * 2048)
  rows = 0

  /** @example column.add(Buffer.from('Łódź'), 0, 7) */
  add(bytes: Buffer, start: number, end: number): void {
    const at = this.#row()
    let of = this.buffers.length - 1
    if (this.buffers[of] !== bytes) {
      of = this.buffers.indexOf(bytes)
      if (of < 0) of = this.buffers.push(bytes) - 1
    }
    this.places[at] = of
    this.places[at + 1] = start
    this.places[at + 2] = end
  }

  /** @example column.addNull() */
  addNull(): void {
    this.places[this.#row()] = -1
  }

  #row(): number {
    const at = this.rows++ * 3
    if (at === this.places.length) {
      const wider = new Int32Array(at * 2)
      wider.set(this.places)
      this.places = wider
    }
    return at
  }
}
