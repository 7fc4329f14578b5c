import { describe, expect, test } from 'vitest'
import type { CallParameter, ProcedureCall } from '../connection.ts'
import { copySql } from './copy.ts'
import { parseName } from './names.ts'
import { type Argument, bindArguments, callStatement, chooseRoutine, type Routine } from './routine.ts'

const argument = (
  name: string,
  mode: Argument['mode'],
  serverType = 'integer',
  more: Partial<Argument> = {},
): Argument => ({
  ...{ name, mode, serverType, oid: 23, hasDefault: false },
  ...more,
})
const routine = (args: readonly Argument[], more: Partial<Routine> = {}): Routine => ({
  ...{ schema: 'erp', name: 'f', kind: 'function', returnsSet: true, returns: 'record', arguments: args },
  ...more,
})
const value = (name: string, text: string | null = '1', type: CallParameter['type'] = 'integer'): CallParameter => ({
  name,
  type,
  value: text,
})
const call = (parameters: readonly CallParameter[], output: ProcedureCall['output'] = []): ProcedureCall => ({
  ...{ procedure: 'erp.f', parameters, output, timeoutMs: 1000 },
})

describe('names', () => {
  test('SR-11: one or two parts; a part with a dot or a quote is quoted', () => {
    expect(parseName('f')).toEqual(['f'])
    expect(parseName('erp.usp_customers')).toEqual(['erp', 'usp_customers'])
    expect(parseName('"a.b"."c""d"')).toEqual(['a.b', 'c"d'])
    expect(parseName(`erp.f(); DROP TABLE x; --`)).toEqual(['erp', 'f(); DROP TABLE x; --'])
  })

  test.each(['', '.', 'a.', '.a', 'a..b', 'a.b.c', '"a', 'a"b', '""', `a.${'ş'.repeat(32)}`, 'a\0', 'a\ud800'])(
    'SR-11: %j is refused',
    (name) => {
      expect(() => parseName(name)).toThrow(expect.objectContaining({ name: 'Connection.InvalidName' }))
    },
  )
})

describe('choosing', () => {
  const chosen = (found: readonly Routine[], asked: ProcedureCall) => chooseRoutine(found, asked, { name: 'erp' })
  const a = argument('a', 'i')
  const b = argument('b', 'i', 'text', { hasDefault: true })

  test('the overload whose parameters have these names', () => {
    const [one, two] = [routine([a, b]), routine([argument('c', 'i')])]
    expect(chosen([one, two], call([value('a')]))).toBe(one)
    expect(chosen([one, two], call([value('c')]))).toBe(two)
  })

  test.each([
    ['nothing of this name', [], call([]), /no function or procedure/],
    ['a name that is not there', [routine([a])], call([value('a'), value('x')]), /no input parameter "x"/],
    ['one that is not given', [routine([a, b])], call([value('b')]), /"a" is not given/],
    ['too few by place', [routine([argument('', 'i'), argument('', 'i')])], call([value('x')]), /takes 2 parameters/],
    ['an output that is not there', [routine([])], call([], [{ name: 'x', type: 'text' }]), /no output parameter "x"/],
    ['two that both fit', [routine([b]), routine([argument('b', 'i')])], call([value('b')]), /2 overloads/],
  ])('%s is refused', (_, found, asked, why) => {
    expect(() => chosen(found, asked)).toThrow(why)
  })
})

describe('statements', () => {
  const text = (args: readonly Argument[], asked: ProcedureCall, more: Partial<Routine> = {}) => {
    const called = routine(args, more)
    return callStatement(called, bindArguments(called, asked))
  }

  test('SR-11: names are quoted, values are placeholders with their types', () => {
    const args = [
      argument('a"; --', 'i', 'bytea', { oid: 17 }),
      argument('b', 'i', 'text', { hasDefault: true }),
      argument('c', 't'),
    ]
    expect(text(args, call([value('a"; --', '00', 'binary')]), { name: 'f"(' })).toEqual({
      ...{ text: 'SELECT * FROM "erp"."f""("("a""; --" => $1)', types: [17], values: ['\\x00'] },
    })
  })

  test('procedures: outputs are written as NULL; by place and variadic', () => {
    const args = [argument('n', 'i'), argument('io', 'b'), argument('o', 'o')]
    expect(text(args, call([value('n')]), { kind: 'procedure' })).toMatchObject({
      ...{ text: 'CALL "erp"."f"("n" => $1, "io" => $2, "o" => $3)', values: ['1', null, null] },
    })
    expect(text([argument('', 'i'), argument('', 'v')], call([value('x'), value('y', '{1}')])).text).toBe(
      'SELECT * FROM "erp"."f"($1, VARIADIC $2)',
    )
  })

  test('COPY reads its values from the transaction, and writes canonical texts', () => {
    const called = routine([argument('a', 'i', 'bpchar'), argument('b', 'i')])
    const bound = bindArguments(called, call([value('a', `'; DROP`, 'text'), value('b', null)]))
    const columns = ['boolean', 'money', 'text'].map((serverType) => ({
      name: 'x";',
      serverType,
      type: 'text' as const,
    }))
    expect(copySql(called, bound, columns)).toBe(
      `COPY (SELECT "c1"::text, "c2"::numeric, "c3" FROM "erp"."f"("a" => current_setting('sluice.p1')::bpchar, "b" => NULL::integer) AS r("c1", "c2", "c3")) TO STDOUT (FORMAT csv, FORCE_QUOTE *)`,
    )
  })

  test.each(['a\0b', 'a\udc00'])('SR-11: the value %j cannot be sent as it is, and is refused', (bad) => {
    expect(() => bindArguments(routine([argument('a', 'i')]), call([value('a', bad, 'text')]))).toThrow(
      expect.objectContaining({ name: 'Connection.ValueInvalid' }),
    )
  })
})
