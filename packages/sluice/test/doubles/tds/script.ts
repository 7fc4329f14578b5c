/** What a procedure of the double does, as a list of steps. */

import type { WireColumn } from './tokens.ts'
import type { Value, WireType } from './types.ts'

export type Step =
  | { readonly kind: 'columns'; readonly columns: readonly WireColumn[] }
  | { readonly kind: 'rows'; readonly rows: Iterable<readonly Value[]>; readonly compressed: boolean }
  /** The end of a result set or statement; `count` null is SET NOCOUNT ON. */
  | { readonly kind: 'done'; readonly count: number | null | 'counted' }
  | { readonly kind: 'message'; readonly number: number; readonly class: number; readonly text: string }
  | { readonly kind: 'error'; readonly number: number; readonly class: number; readonly text: string }
  | { readonly kind: 'output'; readonly name: string; readonly type: WireType; readonly value: Value }
  | { readonly kind: 'return'; readonly code: number }
  /** Bytes as they are. */
  | { readonly kind: 'bytes'; readonly bytes: Buffer }
  | { readonly kind: 'wait'; readonly ms: number }
  /** Sends what there is, and then the connection is gone. */
  | { readonly kind: 'cut' }
  /** Sends what there is, and then nothing, ever. */
  | { readonly kind: 'silence' }
  /** Ends the message without a last word. */
  | { readonly kind: 'end' }

/** Steps, or steps that are made while they are sent. */
export type Script = Iterable<Step> | AsyncIterable<Step>

/** Columns by name and type, in order: `[['id', types.int], ['name', types.nvarchar(50)]]`. */
export type ColumnList = readonly (readonly [name: string, type: WireType])[]

const wireColumns = (columns: ColumnList): readonly WireColumn[] => columns.map(([name, type]) => ({ name, type }))

/** The announcement of a result set alone. */
export const columns = (list: ColumnList): Step => ({ kind: 'columns', columns: wireColumns(list) })

/** Rows of the set that was announced; `compressed` sends NULLs as bits, as servers do. */
export const rows = (list: Iterable<readonly Value[]>, compressed = false): Step => ({
  kind: 'rows',
  rows: list,
  compressed,
})

/** The end of a set or statement. @param count what the server says; null for nothing */
export const done = (count: number | null | 'counted' = 'counted'): Step => ({ kind: 'done', count })

/**
 * A whole result set.
 *
 * @example ({ 'dbo.usp_x': () => [...resultSet([['id', types.int]], [['1'], ['2']]), returns(0)] })
 */
export const resultSet = (list: ColumnList, values: Iterable<readonly Value[]>): readonly Step[] => [
  columns(list),
  rows(values),
  done(),
]

/** What PRINT and RAISERROR of class 10 and less send. */
export const message = (text: string, number = 0, messageClass = 0): Step => ({
  kind: 'message',
  number,
  class: messageClass,
  text,
})

/** What THROW and RAISERROR of class 11 and more send; the script goes on. */
export const error = (number: number, text: string, errorClass = 16): Step => ({
  kind: 'error',
  number,
  class: errorClass,
  text,
})

export const output = (name: string, type: WireType, value: Value): Step => ({ kind: 'output', name, type, value })
export const returns = (code: number): Step => ({ kind: 'return', code })
export const bytes = (content: Buffer): Step => ({ kind: 'bytes', bytes: content })
export const wait = (ms: number): Step => ({ kind: 'wait', ms })
export const cut: Step = { kind: 'cut' }
export const silence: Step = { kind: 'silence' }
export const end: Step = { kind: 'end' }
