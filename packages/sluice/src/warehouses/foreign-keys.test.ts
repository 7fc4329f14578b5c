import { expect, test } from 'vitest'
import { type ForeignKey, reachingFrom, referencesAmong } from './foreign-keys.ts'

const key = (table: string, references: string, onDelete: ForeignKey['onDelete'] = 'stay'): ForeignKey => ({
  ...{ name: `${table}_${references}`, table: `main.${table}`, references: `main.${references}`, onDelete },
})

test('the targets that others name come first; keys of other tables, and those to itself, order nothing', () => {
  const keys = [key('fact', 'dim'), key('fact', 'dim'), key('dim', 'dim'), key('fact', 'elsewhere'), key('dim', 'area')]
  expect(referencesAmong(keys, ['area', 'dim', 'fact'], (target) => `main.${target}`)).toEqual({
    fact: ['dim'],
    dim: ['area'],
  })
})

test('a DELETE reaches the rows that follow it', () => {
  const keys = [key('a', 'dim'), key('b', 'dim', 'CASCADE'), key('c', 'dim', 'SET NULL'), key('dim', 'dim', 'CASCADE')]
  expect(reachingFrom(keys, 'main.dim').map(({ name }) => name)).toEqual(['b_dim', 'c_dim'])
})
