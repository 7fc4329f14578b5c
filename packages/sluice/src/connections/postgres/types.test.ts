import { describe, expect, test } from 'vitest'
import { boundText, canonical, canonicalSql, columnType } from './types.ts'

describe('types', () => {
  test('SR-06: a type is a column type only where that holds each of its values', () => {
    const types = {
      'numeric(18,4)': 'decimal(18,4)',
      'numeric(38,38)': 'decimal(38,38)',
      'numeric(39,0)': 'text',
      'numeric(5,-2)': 'text',
      'numeric(2,4)': 'text',
      numeric: 'text',
      'numeric(18,4)[]': 'text',
      'timestamp(3) without time zone': 'timestamp',
      'timestamp with time zone': 'timestamptz',
      'time(0) without time zone': 'time',
      'time with time zone': 'text',
      'character varying(10)': 'text',
      interval: 'text',
      money: 'decimal(19,2)',
      '"boolean"': 'text',
      'erp.mood': 'text',
      jsonb: 'json',
      bytea: 'binary',
    }
    expect(Object.fromEntries(Object.keys(types).map((type) => [type, columnType(type)]))).toEqual(types)
  })

  test('texts that the server writes in a form of its own become canonical; all others stay', () => {
    expect(['t', 'f'].map((text) => canonical('boolean')?.(text))).toEqual(['true', 'false'])
    expect(canonical('bytea')?.('\\x00ff')).toBe('00ff')
    expect(canonical('money')?.('-$92,233,720,368,547,758.08')).toBe('-92233720368547758.08')
    expect(canonical('timestamp with time zone')).toBeUndefined()
    expect(canonicalSql('character(5)', '"c1"')).toBe('"c1"')
    expect(canonicalSql('bytea', '"c1"')).toBe(`encode("c1", 'hex')`)
  })

  test('binary values are bound as the server reads them', () => {
    expect([boundText('00ff', 'bytea'), boundText('00ff', 'text'), boundText(null, 'bytea')]).toEqual([
      '\\x00ff',
      '00ff',
      null,
    ])
  })
})
