import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { encodings } from '../definition/encodings.ts'
import { codePage } from './code-page.ts'

/** SHA-256 (its first 16 digits) of all 256 bytes as text, U+FFFD for what is no character: made by Python's codecs, an independent implementation. */
const pages = [
  ['latin1', '9799e3eb6096a48f'],
  ['iso-8859-2', 'a5871b0f978b840b'],
  ['iso-8859-5', '9f31ddc0f7444afa'],
  ['iso-8859-7', '71069977a6798ab7'],
  ['iso-8859-9', '99a8e5b10c9d2f49'],
  ['iso-8859-15', '9b58b26dbd8fbff2'],
  ['cp874', '5665ac5c8f78f682'],
  ['cp1250', 'a47e566628c5a1ac'],
  ['cp1251', '4bf36e4dc399f85d'],
  ['cp1252', '8fa2fce59ae75727'],
  ['cp1253', '208c1bfad7856d70'],
  ['cp1254', 'e8b28cf061f74fc8'],
  ['cp1256', '6f6e8626197b1b6b'],
  ['cp1257', '83016015a20df2ec'],
  ['cp1258', '274f6ff1f4ca2365'],
  ['cp437', '754c5bb3fea001ec'],
  ['cp850', '4e721f6806dbbff2'],
  ['cp852', 'a5798618e5ecfe1b'],
  ['cp858', 'bcd479c0617b954a'],
  ['cp866', '3c8cc5cb485f93d2'],
  // 0xCA is U+05BA since Windows 2000; Python has Unicode's older table, without it.
  ['cp1255', '8330953e217076aa'],
] as const

const digest = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 16)

test.each(pages)('SR-06: every byte of %s is the character that the page has', (name, expected) => {
  const page = codePage(name)
  expect(digest(Array.from({ length: 256 }, (_, byte) => page?.decode(Uint8Array.of(byte)) ?? '\ufffd').join(''))).toBe(
    expected,
  )
})

test('every encoding of one byte a character that a source may declare is a page of that list', () => {
  const listed = new Set(pages.map(([name]) => name as string))
  const single = encodings.filter((name) => !name.startsWith('utf-'))
  expect(single.filter((name) => !listed.has(name.replace('windows-', 'cp')))).toEqual([])
  for (const name of single) expect(codePage(name), name).toBeDefined()
})

test('every pair of bytes of CP949 is the character that the page has', () => {
  const page = codePage('CP949')
  let text = ''
  for (let a = 0x81; a < 0xff; a++)
    for (let b = 0x40; b < 0xff; b++) text += page?.decode(Uint8Array.of(a, b)) ?? '\ufffd'
  expect(digest(text)).toBe('95d2aa175090fe64')
})

test.each([
  ['CP1252', [0x80, 0x20, 0xff], '€ ÿ'],
  ['CP1252', [0xff], 'ÿ'],
  ['CP1252', [0x81], undefined],
  ['CP850', [0x80], 'Ç'],
  ['CP437', [0xe1], 'ß'],
  ['CP932', [0x93, 0xfa, 0x96, 0x7b, 0xb1], '日本ｱ'],
  ['CP932', [0x93], undefined],
  ['CP936', [0x80, 0xd6, 0xd0], '€中'],
  ['CP950', [0xa4, 0xa4], '中'],
] as const)('of %s, %j is %s', (name, bytes, text) => {
  expect(codePage(name)?.decode(Uint8Array.from(bytes))).toBe(text)
})

test('a byte of a character, where one byte is enough', () => {
  expect(codePage('windows-1252')?.byteOf('§')).toBe(0xa7)
  expect(codePage('windows-1252')?.byteOf('ж')).toBeUndefined()
  expect(codePage('CP1')).toBeUndefined()
})
