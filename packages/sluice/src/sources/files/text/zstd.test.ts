import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as zlib from 'node:zlib'
import { afterAll, describe, expect, test } from 'vitest'
import { openDrop, sourceOf, type Taken } from '../../../../test/sources/drop.ts'
import { hasZstd, zstdFrames } from './zstd.ts'

const folder = mkdtempSync(join(tmpdir(), 'sluice-zstd-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** A frame of one block that is not compressed, with or without its size. */
function frame(text: string, { sized = true, says = Buffer.byteLength(text) } = {}): Buffer {
  const size = Buffer.byteLength(text)
  const block = Buffer.alloc(3)
  block.writeUIntLE((size << 3) | 1, 0, 3)
  const head = Buffer.from(sized ? [0x28, 0xb5, 0x2f, 0xfd, 0x20, says] : [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58])
  return Buffer.concat([head, block, Buffer.from(text)])
}
const skippable = Buffer.from('502a4d1804000000aabbccdd', 'hex')

function framesOf(bytes: Buffer): unknown {
  const file = join(folder, 'x')
  writeFileSync(file, bytes)
  try {
    return zstdFrames('x', file, bytes.length).map(({ start, end, unpacked }) => [start, end, unpacked])
  } catch (error) {
    return (error as Error).message.replace(/^.*?: (.*)\. Nothing.*$/, '$1')
  }
}

const source = sourceOf({ a: 'text', b: { type: 'integer', nullable: true } })
async function take(content: Uint8Array, name = 'x.csv.zst', of = source): Promise<Taken> {
  await using drop = await openDrop()
  drop.deliver(`inbox/${name}`, content)
  return await drop.take(of)
}
const text = 'a,b\nx,1\ny,2\n'

test('IN-21: frames are found by their blocks; a cut at any byte and anything that follows are seen', () => {
  const one = frame(text)
  expect(framesOf(one)).toEqual([[0, one.length, 12n]])
  expect(framesOf(Buffer.concat([skippable, one, frame('z,3\n', { sized: false }), skippable]))).toEqual([
    [12, 12 + one.length, 12n],
    [12 + one.length, 25 + one.length, undefined],
  ])
  for (let end = 0; end < one.length; end++)
    expect(framesOf(one.subarray(0, end)), String(end)).toBe('it ends in the middle of a frame')
  expect(framesOf(Buffer.concat([one, skippable.subarray(0, 10)]))).toBe('it ends in the middle of a frame')
  expect(framesOf(Buffer.concat([one, Buffer.from('garbage')]))).toBe('7 bytes follow its end')
})

test.skipIf(hasZstd)(
  'a Node without zstd refuses such a file by a name that says what to do; its neighbours are taken',
  async () => {
    await using drop = await openDrop()
    drop.deliver('inbox/x.csv.zst', frame(text))
    drop.deliver('inbox/y.csv', text)
    const taken = await drop.take(source)
    expect(taken.refused.map(({ error }) => [error.name, error.hint?.includes('Node 22.15')])).toEqual([
      ['Source.ZstdUnavailable', true],
    ])
    expect(taken.rows).toHaveLength(2)
  },
)

// The gate runs on the oldest Node, which has no zstd: tools/check-nodes.sh runs this on the others.
describe.skipIf(!hasZstd)('where Node has zstd', () => {
  const pack = (content: string | Buffer): Buffer =>
    (zlib as unknown as { zstdCompressSync(content: string | Buffer): Buffer }).zstdCompressSync(content)

  test('IN-21: every frame is read, under any name, or the file is refused', async () => {
    for (const name of ['x.csv.zst', 'x.csv', 'x.ZST'])
      expect(
        (await take(Buffer.concat([skippable, pack(text), frame('z,3\n', { sized: false })]), name)).rows,
      ).toHaveLength(3)
    const large = `a,b\n${Array.from({ length: 50_000 }, (_, at) => `row ${at * 7919},${at}\n`).join('')}`
    expect((await take(pack(large))).candidate!.accounting.accepted).toBe(50_000)
    const packed = pack(large)
    const changed = Buffer.from(packed)
    changed.fill(0xff, packed.length >> 1, (packed.length >> 1) + 8)
    const refusals = [
      packed.subarray(0, -1),
      packed.subarray(0, packed.length >> 1),
      frame(text, { says: 200 }),
      changed,
    ]
    for (const content of refusals) {
      const { refused } = await take(content)
      expect(refused.map(({ error }) => error.name)).toEqual(['Source.ArchiveCorrupt'])
    }
  })

  test('IN-20: zstd that grows beyond the limit is refused', async () => {
    const { refused } = await take(pack(Buffer.alloc(40_000_000)))
    expect(refused.map(({ error }) => error.name)).toEqual(['Source.CompressionLimit'])
  })
})
