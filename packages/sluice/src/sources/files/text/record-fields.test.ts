import { expect, test } from 'vitest'
import { recordFields } from './record-fields.ts'

const columns = { names: ['id', 'name'], fields: 3, positions: [2, 0] }
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
  expect(read('{"id": 7, "name": null}\n')).toEqual({ id: '7', name: null })
  expect(read('{"id": 9007199254740993, "name": "a"}')).toEqual({ name: 'a' })
  expect(read('[1]')).toBeUndefined()
  expect(read('{"id": ')).toBeUndefined()
})
