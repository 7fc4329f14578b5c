import { expect, test } from 'vitest'
import { beyondRow, transformSql } from './transform.ts'

test('each transform sees the row as it came, and what it makes keeps its place or comes last', () => {
  const transforms = { email: 'lower(email) -- as it is compared', 'a "b"': 'id + 1' }
  expect(transformSql('rows', ['id', 'email'], transforms)).toBe(
    'SELECT "id", (lower(email) -- as it is compared\n) AS "email", (id + 1\n) AS "a ""b""" FROM rows',
  )
})

test('a transform is one expression over one row', () => {
  for (const sound of ['lower(trim(both \' \' from "over"))', "list_value(1, 2)[1] + {'a': 1, 'b': 2}.a", "'; select'"])
    expect(beyondRow(sound)).toBeUndefined()
  expect(beyondRow('(SELECT max(id) FROM raw.shop)')).toBe('"select" looks at other rows')
  expect(beyondRow('row_number() OVER ()')).toBe('"over" looks at other rows')
  expect(beyondRow('a, b')).toBe('it is more than one expression, at ","')
  expect(beyondRow('1; DROP TABLE x')).toBe('it is more than one expression, at ";"')
  expect(beyondRow('1) AS a, (2')).toBe('it closes a ")" that it did not open')
  expect(beyondRow('lower((email)')).toBe('it opens a parenthesis that it does not close')
  expect(beyondRow("'x")).toBe('a text in it never ends')
})
