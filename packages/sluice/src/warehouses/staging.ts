/**
 * The way from the lake, whose rows the engine reads, to the warehouse, whose SQL reads its own tables, and back.
 *
 * Where both are one database nothing moves: a relation of the one is a relation of the other.
 */
import type { Session } from '../engines/engine.ts'
import type { SqlRunner } from './dialect.ts'

/** What a load moves rows with, inside its transaction. Every `select` is whole; every `name` is that of a working table. */
export interface Staging {
  /** The session that reads the lake; its SQL is the engine's. */
  readonly lake: SqlRunner & Pick<Session, 'from'>
  /** Makes a working table of the warehouse from rows of the lake, in place of the one of that name; how many rows it has. */
  create(name: string, select: string): Promise<number>
  /** What stands after FROM in the warehouse's SQL to read rows of the lake. */
  bring(name: string, select: string): Promise<string>
  /** Adds rows of the lake to a table of the warehouse, and tells how many; the SELECT has these columns in this order. */
  insert(table: string, columns: readonly string[], select: string): Promise<number>
  /** What stands after FROM in the lake's SQL to read rows of the warehouse; their values may have become text. */
  fetch(name: string, select: string): Promise<string>
}
