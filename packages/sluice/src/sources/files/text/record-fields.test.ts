import { expect, test } from 'vitest'
import { recordFields } from './record-fields.ts'

const columns = {
  columns: { id: { type: 'text', aliases: ['ID'] }, name: { type: 'text', from: 'Name' } },
  ...{ fields: 3, positions: [2, 0] },
} as const
const split = (text: string, format: object = {}) =>
  recordFields(Buffer.from(text), { kind: 'csv', ...format }, columns)

test('a delimited record is split as its dialect says, by the places of the columns', () => {
  expect(split('a,b,1\r\n')).toEqual({ id: '1', name: 'a' })
  expect(split('"a, ""x""",,"1"\n')).toEqual({ id: '1', name: 'a, "x"' })
  expect(split(',"",\n')).toEqual({ id: null, name: null })
  expect(split('a+|b+|1&|', { delimiter: '+|', recordEnd: '&|' })).toEqual({ id: '1', name: 'a' })
  expect(split("'a\\'b',,1", { quote: "'", escape: '\\' })).toEqual({ id: '1', name: "a'b" })
})

test('what is not well formed has no fields', () => {
  for (const text of ['a,b\n', 'a,b,c,1\n', '"a,b,1\n', '"a"b,c,1\n']) expect(split(text)).toBeUndefined()
})

test('of a JSON record what is reported exactly', () => {
  const read = (text: string) => recordFields(Buffer.from(text), { kind: 'jsonl' }, columns)
  expect(read('{"id": 7, "Name": null}\n')).toEqual({ id: '7', name: null })
  // The texts that the columns would have: another text of the same number would be another key.
  expect(read('{"ID": 9007199254740993, "Name": "a"}')).toEqual({ id: '9007199254740993', name: 'a' })
  for (const number of ['1.0', '1e3', '1.10']) expect(read(`{"id":${number}}`)).toEqual({ id: number })
  expect(read('{"id": 1, "ID": 2, "Name": "\\ud800"}')).toEqual({})
  expect(read('{"id": 1, "id": 2}')).toBeUndefined()
  expect(read('[1]')).toBeUndefined()
  expect(read('{"id": ')).toBeUndefined()
})
