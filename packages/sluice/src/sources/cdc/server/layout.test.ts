import { expect, test } from 'vitest'
import { type Layout, type LayoutColumn, missedByLayout } from './layout.ts'

const layout = (columns: { readonly [name: string]: LayoutColumn }, more: Partial<Layout> = {}): Layout => ({
  ...{ file: '1', columns, types: {}, ...more },
})
const known = layout({ id: [1, '23:-1', '700'], n: [2, '23:-1', '700'] })
const missed = (now: Layout) => missedByLayout(known, now)

test('CD-16, CD-17: a column that is another one under the same name, and values that were rewritten, are seen', () => {
  expect(missed(layout({ id: [1, '23:-1', '700'], n: [3, '23:-1', '701'] }))).toEqual([
    expect.stringContaining('column "n" was dropped and added again'),
  ])
  const rewritten = layout({ id: [1, '23:-1', '700'], n: [2, '23:-1', '701'] }, { file: '2' })
  expect(missed(rewritten)).toEqual([expect.stringContaining('"n" may have been rewritten')])
})

test('what leaves rows as they were is nothing: VACUUM FULL, SET NOT NULL, a new column; another type is left to the stream', () => {
  expect(missed(known)).toEqual([])
  expect(missed({ ...known, file: '2' })).toEqual([])
  expect(missed(layout({ id: [1, '23:-1', '700'], n: [2, '23:-1', '701'] }))).toEqual([])
  expect(missed(layout({ ...known.columns, added: [3, '25:-1', '701'] }))).toEqual([])
  expect(missed(layout({ id: [1, '23:-1', '700'], n: [2, '25:-1', '701'] }, { file: '2' }))).toEqual([])
  expect(missed(layout({ id: [1, '23:-1', '700'], renamed: [2, '23:-1', '701'] }))).toEqual([])
})

test('CD-18: another name of a value and other attributes are seen; a value that is added is not', () => {
  const types = (parts: { readonly [id: string]: string }): Layout =>
    layout({}, { types: { 50: { name: 'mood', parts } } })
  expect(missedByLayout(types({ 1: 'sad' }), types({ 1: 'blue' }))).toEqual([
    'the value "sad" of the type "mood" is called "blue" now',
  ])
  expect(missedByLayout(types({ 1: 'sad' }), types({ 1: 'sad', 2: 'ok' }))).toEqual([])
  expect(missedByLayout(types({ attributes: '1:23' }), types({ attributes: '1:23,2:23' }))).toEqual([
    'the type "mood" has other attributes',
  ])
})
