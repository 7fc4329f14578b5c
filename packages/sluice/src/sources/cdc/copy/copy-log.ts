/** Copied rows as rows of the log: each chunk in parts of its own, which count once all of it has come, and together once their table is whole. */
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { type Turn, turns } from '../../../base/queue.ts'
import type { Lsn } from '../../../changes/lsn.ts'
import { type ChangeLogOptions, changeLogWriter, later, type Point, type WrittenLog } from '../log-writer.ts'
import type { Micros } from '../wire/pgoutput.ts'
import { type Relation, relationShape } from '../wire/relation.ts'
import type { CopySink } from './snapshot.ts'

/** A table that is copied as a whole. */
export interface CopiedTable {
  readonly relation: Relation
  /** As `relationShape` writes it. */
  readonly shape: string
  /** Where it was copied, and the `_effective_at` of its rows. */
  readonly lsn: Lsn
  readonly effectiveAt: Micros
  /** Rows of the log: one more than the table has. */
  readonly rows: number
  readonly files: WrittenLog['files']
  /** From here on numbers are free. */
  readonly nextNumber: number
}

/** What copied rows are written with. */
export interface CopyLogOptions
  extends Pick<ChangeLogOptions, 'session' | 'folder' | 'partitionBy' | 'types' | 'effectiveAt'> {
  /** The first `_seq`. */
  readonly firstNumber: number
  /** Takes a table over, beside the copying of others: the session beside is for whose turn it is. */
  readonly take: (table: CopiedTable, turn: Turn) => Promise<void>
  readonly progress: (event: { readonly rows: number; readonly bytes: number }) => void
}

/**
 * Makes a place for copied rows.
 *
 * @example await copySnapshot({ settings, slot, tables, writer: copyLog(options), signal })
 */
export function copyLog(options: CopyLogOptions): CopySink {
  const { session, types, take, progress } = options
  const turn = turns()
  const all = { rows: 0, bytes: 0 }
  let number = options.firstNumber
  let chunks = 0
  /** Names of staging tables: as many as there are chunks at once. */
  const stages: string[] = []
  let stageCount = 0
  /** Of tables that no chunk has written the shape of. They come first in the order of the log. */
  const shapes = new Map<string, { readonly relation: Relation; readonly at: Point; readonly number: number }>()
  const kept = new Map<string, WrittenLog[]>()

  return {
    addShape(relation, at) {
      shapes.set(relation.table, { relation, at, number: number++ })
    },
    async openChunk(table) {
      const staging = stages.pop() ?? `copied_${stageCount++}`
      const folder = join(options.folder, `chunk-${chunks++}`)
      mkdirSync(folder)
      const shape = shapes.get(table)
      shapes.delete(table)
      let numbered = shape?.number
      const writer = await changeLogWriter({
        ...{ ...options, session, folder, staging, turn },
        ...{ tables: new Set<string>(), shapes: new Map<string, string>() },
        number: () => {
          const own = numbered ?? number++
          numbered = undefined
          return own
        },
      })
      if (shape !== undefined) writer.addShape(shape.relation, shape.at)
      return {
        addCopied: writer.addCopied,
        drain: writer.drain,
        async keep() {
          const log = await writer.finish()
          stages.push(staging)
          const logs = kept.get(table) ?? []
          kept.set(table, [...logs, log])
          all.rows += log.accounting.accepted
          all.bytes += writer.bytes
          progress(all)
        },
        async discard() {
          stages.push(staging)
          if (shape !== undefined) shapes.set(table, shape)
          rmSync(folder, { recursive: true, force: true })
        },
      }
    },
    async finishTable({ relation }, _rows, at) {
      const logs = kept.get(relation.table)!
      const rows = logs.reduce((sum, { accounting }) => sum + accounting.accepted, 0)
      const effectiveAt = later(at.committedAt, options.effectiveAt ?? 0n)
      const files = logs.flatMap((log) => log.files)
      const shape = relationShape(relation, types)
      kept.delete(relation.table)
      await take({ relation, shape, lsn: at.lsn, effectiveAt, rows, files, nextNumber: number }, turn)
    },
  }
}
