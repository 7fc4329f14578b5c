import { expect, test } from 'vitest'
import { headersInWords, sharedColumns } from './headers.ts'

const files = (...headers: readonly (readonly string[])[]) =>
  headers.map((columns, at) => ({ file: `${at}.csv`, columns }))

test('names that differ in case, spaces and punctuation are one column, unless a file has both', () => {
  expect(sharedColumns(files(['id', 'unit_price'], ['ID', 'Unit Price'], ['id', 'unit-price', 'tax']))).toEqual([
    { name: 'id', aliases: ['ID'], optional: false },
    { name: 'unit_price', aliases: ['Unit Price', 'unit-price'], optional: false },
    { name: 'tax', aliases: [], optional: true },
  ])
  expect(
    sharedColumns(files(['id', 'ID'], ['id'])).map(({ name, aliases, optional }) => [name, aliases, optional]),
  ).toEqual([
    ['id', [], false],
    ['ID', [], true],
  ])
  expect(sharedColumns(files(['%', '#'], ['%'])).map(({ name }) => name)).toEqual(['%', '#'])
})

test('headers are listed, the most common first; equal ones are no news', () => {
  expect(headersInWords(files(['a'], ['a']))).toEqual([])
  expect(headersInWords(files(['b'], ['a'], ['a']))).toEqual([
    '3 files have 2 different headers:',
    '  1.csv and 1 more: "a"',
    '  0.csv: "b"',
  ])
  expect(headersInWords(files(...Array.from({ length: 30 }, (_, n) => [`c${n}`])))).toHaveLength(12)
})
