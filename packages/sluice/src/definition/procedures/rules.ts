/** What a procedure's name and a window's start may look like, the table that a procedure fills where none is named, and which calls are the same. */
import { canonicalJson } from '../../base/json.ts'
import type { ProcedureSource } from '../types.ts'

/**
 * What a procedure's name must be, where it is not: one to three parts, each to be quoted as it is.
 *
 * @example procedureNameRule('dbo.[usp customers]') // 'written without brackets or quotes, as each part is quoted when it is sent'
 */
export function procedureNameRule(procedure: string): string | undefined {
  const parts = procedure.split('.')
  if (parts.length > 3 || parts.includes('')) return 'a name of one to three parts, such as dbo.usp_customers'
  if (/[\u0000-\u001f\u007f-\u009f\u2028\u2029\ufffe\uffff]|\p{Cs}/u.test(procedure))
    return 'a name without control characters'
  if (parts.some((part) => part !== part.trim())) return 'a name without spaces around its parts'
  if (/[[\]"`;']/.test(procedure))
    return 'written without brackets, quotes or semicolons, as each part is quoted when it is sent'
  return parts.some((part) => part.length > 128) ? 'a name whose parts have at most 128 characters' : undefined
}

/**
 * The table that a procedure fills: the last part of its name, without the prefixes that say that it is a procedure.
 *
 * @example tableOf('dbo.usp_customers') // 'customers'
 */
export function tableOf(procedure: string): string {
  const last = procedure.split('.').at(-1)!
  return last.replace(/^(?:usp|sp|get)_(?=.)/i, '')
}

/**
 * Whether a text is a date or a local time in ISO 8601 that exists.
 *
 * @example isStart('2023-02-29') // false
 */
export function isStart(text: string): boolean {
  const match = /^(\d{4}-\d{2}-\d{2})(?:[T ]([01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,6})?)?)?$/.exec(text)
  if (match === null) return false
  const day = new Date(`${match[1]}T00:00:00Z`)
  return !Number.isNaN(day.getTime()) && day.toISOString().startsWith(match[1]!)
}

/**
 * What a source calls, and with what: sources of which it is the same take their result sets from one call.
 *
 * @example callKey(first) === callKey(second)
 */
export function callKey({ connection, procedure, parameters }: ProcedureSource): string {
  return canonicalJson([connection, procedure, parameters])
}
