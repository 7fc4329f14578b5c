import fc from 'fast-check'
import { expect, test } from 'vitest'
import { encode } from '../../../../test/cdc/pgoutput-encoder.ts'
import { copyReader } from '../copy/copy-image.ts'
import type { Image } from './image.ts'
import { type Change, pgoutputDecoder } from './pgoutput.ts'
import type { Relation } from './relation.ts'

const names = ['id', 'näme "x"\\', 'note', '😀']
/** The key is not in the order of the columns. */
const key = [2, 0]
const columns = names.map((name, place) => ({ name, typeOid: 25, typeModifier: -1, isKey: key.includes(place) }))
const described = { id: 7, schema: 'public', name: 'people', replicaIdentity: 'd' as const, columns }
const relation: Relation = { id: 7, table: 'public.people', replicaIdentity: 'default', columns, key }

const text = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 40 }),
  fc.string({ unit: 'binary', maxLength: 40 }).filter((value) => !/[\0\p{Surrogate}]/u.test(value)),
  fc.constantFrom('', '"', '\\', '\\N', '\\.', '\n\r\t\b\f\v\u0001\u001f\u007f\u2028', '\ufeff', 'x'.repeat(5000)),
  fc.constantFrom('\u0001'.repeat(5000), '€\n"\\'.repeat(1500)),
)
const row = fc.tuple(text, fc.option(text), text, fc.option(text))
type Row = readonly (string | null)[]

const jsonOf = (values: Row, places = names.map((_, place) => place)): string =>
  JSON.stringify(Object.fromEntries(places.map((place) => [names[place], values[place]])))

/** As the server writes a value. Source: PostgreSQL, CopyAttributeOutText. */
const copied = (value: string | null): string =>
  value?.replace(/[\\\b\f\n\r\t\v]/g, (one) => `\\${'\\bfnrtv'['\\\b\f\n\r\t\v'.indexOf(one)]}`) ?? '\\N'

const inserted = () => {
  const decoder = pgoutputDecoder(new Map([['public.people', key.map((place) => names[place] as string)]]))
  const decode = (message: Buffer) => decoder.decode(message, 0, message.length)
  decode(encode.relation(described))
  return (values: Row): Image => (decode(encode.insert(7, values)) as Change).now as Image
}

const read = () => {
  const reader = copyReader(relation)
  return (values: Row): Image => {
    const block = Buffer.from(`before${values.map(copied).join('\t')}\nafter`)
    return reader(block, 6, block.length - 5)
  }
}

for (const [what, reader] of [
  ['streamed', inserted],
  ['copied', read],
] as const)
  test(`an image of a row that was ${what} is what JSON.stringify makes of it, and stays so while others are read`, () => {
    fc.assert(
      fc.property(fc.array(row, { minLength: 1, maxLength: 8 }), (rows) => {
        const imageOf = reader()
        const images = rows.map(imageOf)
        for (const [at, values] of rows.entries())
          expect([images[at]?.json, images[at]?.key]).toEqual([jsonOf(values), jsonOf(values, key)])
      }),
      { numRuns: 60 },
    )
  })
