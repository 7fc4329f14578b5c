/**
 * Images of rows: JSON objects of texts as the server writes them, as UTF-8.
 *
 * They stay bytes from the socket to the engine; a string is made for whoever asks for one.
 */

import type { Utf8Column } from '../../../engines/utf8-column.ts'

/** How JSON writes a byte: 0 as it is; 1 as \u00xx; otherwise the letter behind a backslash. */
export const escapes = new Uint8Array(256)
escapes.fill(1, 0, 0x20)
for (const [byte, letter] of [[8, 'b'], [9, 't'], [10, 'n'], [12, 'f'], [13, 'r'], [0x22, '"'], [0x5c, '\\']] as const) // biome-ignore format: a table
  escapes[byte] = letter.charCodeAt(0)

/** How many bytes JSON adds to one that it escapes, at most. */
const escaped = 5
/** Beyond this many bytes, those that are escaped are counted instead of assumed to be all. */
const countedFrom = 4096
const arenaBytes = 1 << 18

/** The image of one row. */
export class Image {
  readonly bytes: Buffer
  readonly start: number
  readonly end: number
  /** The columns that name the row, written the same way; undefined where a value is missing, or there is no key. */
  readonly keyBytes: Buffer | undefined
  readonly keyStart: number
  readonly keyEnd: number
  /** Names of columns whose value is unchanged and was not sent, as a JSON list; null where there are none. */
  readonly unchanged: string | null

  constructor(
    bytes: Buffer,
    [start, end]: readonly [number, number],
    keyBytes: Buffer | undefined,
    [keyStart, keyEnd]: readonly [number, number],
    unchanged: string | null,
  ) {
    this.bytes = bytes
    this.start = start
    this.end = end
    this.keyBytes = keyBytes
    this.keyStart = keyStart
    this.keyEnd = keyEnd
    this.unchanged = unchanged
  }

  /** `{"id":"1","name":null}`; columns whose value did not come are left out. */
  get json(): string {
    return this.bytes.toString('utf8', this.start, this.end)
  }

  /** `{"id":"1"}` */
  get key(): string | null {
    return this.keyBytes?.toString('utf8', this.keyStart, this.keyEnd) ?? null
  }
}

/** Adds an image to a column, or NULL; answers its bytes. @example bytes += addImage(column, change.now) */
export function addImage(column: Utf8Column, image: Image | undefined): number {
  if (image === undefined) {
    column.addNull()
    return 0
  }
  column.add(image.bytes, image.start, image.end)
  return image.end - image.start
}

/** Adds the key of an image to a column, or NULL. @example addKey(column, change.now ?? change.old) */
export function addKey(column: Utf8Column, image: Image | undefined): void {
  if (image?.keyBytes === undefined) column.addNull()
  else column.add(image.keyBytes, image.keyStart, image.keyEnd)
}

/** An image of what is text already. @example textImage('{"id":"1","name":null}', '{"id":"1"}') */
export function textImage(json: string, key: string | null = null): Image {
  const [bytes, keyBytes] = [Buffer.from(json), key === null ? undefined : Buffer.from(key)]
  return new Image(bytes, [0, bytes.length], keyBytes, [0, keyBytes?.length ?? 0], null)
}

/** Where images are written: one after the other, and never over another, so that they are valid for as long as somebody holds them. */
export interface Arena {
  bytes: Buffer
  /** Where the next image begins. */
  at: number
}

/** @example const arena = makeArena() */
export function makeArena(): Arena {
  return { bytes: Buffer.alloc(0), at: 0 }
}

/**
 * Makes room for an image of the values in a frame.
 *
 * @param more bytes of names, and of whatever else is not a value
 * @example reserve(arena, frame, start, end, prefixBytes)
 */
export function reserve(arena: Arena, frame: Buffer, start: number, end: number, more: number): void {
  let bytes = end - start + more
  if (end - start <= countedFrom) bytes += escaped * (end - start)
  else for (let i = start; i < end; i++) if (escapes[frame[i]!] !== 0) bytes += escaped
  room(arena, bytes)
}

function room(arena: Arena, bytes: number): void {
  if (arena.bytes.length - arena.at >= bytes) return
  arena.bytes = Buffer.allocUnsafeSlow(Math.max(arenaBytes, bytes))
  arena.at = 0
}

/**
 * Ends the image that stands in an arena from `start` to `end`, and writes its key behind it.
 *
 * @param entries where each column's entry (`"name":"value"`) begins and ends, by place; -1 for one that is missing
 * @example return endImage(arena, start, at, relation.key, entries, null)
 */
export function endImage(
  arena: Arena,
  start: number,
  end: number,
  key: readonly number[],
  entries: Int32Array,
  unchanged: string | null,
): Image {
  const { bytes } = arena
  arena.at = end
  const keyStart = writeKey(arena, key, entries)
  return new Image(bytes, [start, end], keyStart < 0 ? undefined : arena.bytes, [keyStart, arena.at], unchanged)
}

/** Writes the entries of a key's columns; answers where they begin, or -1 where one is missing. */
function writeKey(arena: Arena, key: readonly number[], entries: Int32Array): number {
  if (key.length === 0) return -1
  let bytes = key.length + 1
  for (const place of key) {
    if (entries[place * 2]! < 0) return -1
    bytes += entries[place * 2 + 1]! - entries[place * 2]!
  }
  const from = arena.bytes
  room(arena, bytes)
  const to = arena.bytes
  let at = arena.at
  for (let i = 0; i < key.length; i++) {
    const end = entries[key[i]! * 2 + 1]!
    to[at++] = i === 0 ? 0x7b : 0x2c
    for (let p = entries[key[i]! * 2]!; p < end; p++) to[at++] = from[p]!
  }
  to[at++] = 0x7d
  arena.at = at
  return at - bytes
}
