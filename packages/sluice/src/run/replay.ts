/**
 * Replays quarantine: delivers refused records again, as files in the inbox with their own header and bytes, and runs the source.
 *
 * A replay is an ordinary delivery, so it is accounted for like one. What one version refused of one file is delivered again once: its new name
 * says which it is, and the rows that are refused again belong to the version that refused them.
 */

import { posix } from 'node:path'
import * as zlib from 'node:zlib'
import { sluiceError } from '../base/errors.ts'
import { sha256 } from '../base/json.ts'
import { projectIndex } from '../definition/project-index.ts'
import type { FilesSource } from '../definition/types.ts'
import type { Session } from '../engines/engine.ts'
import type { DismissedFile, InputReference, QuarantineFile } from '../lake/record.ts'
import { exportQuarantine, quarantineRelation } from '../quality/quarantine.ts'
import { takesPath } from '../sources/files/discover.ts'
import type { DiscoveredInput, SourceAdapter } from '../sources/source.ts'
import type { ProjectContext, TaskContext } from './context.ts'
import { planProject } from './planning/planning.ts'

/**
 * Delivers the quarantine of a source again: what the current version answers for and another definition than today's refused. Returns the
 * delivered paths.
 *
 * @example const paths = await deliverRefused(context, 'raw.sales')
 * @throws Quality.NothingToReplay where the table has no refused records, or its definition is still the one that refused them
 * @throws Quality.NotReplayable where refused records cannot be a delivery of their own
 */
export async function deliverRefused(context: ProjectContext, table: string): Promise<readonly string[]> {
  const source = projectIndex(context.project).source(table)?.source
  const { plan } = await planProject(context, { anyParameters: true })
  const definition = plan.tasks.find((task) => task.id === `ingest:${table}`)?.definition
  // Under the definition that refused them, they would be refused again.
  const current = await context.lake.current(table)
  const refused = current === undefined ? [] : await context.lake.refused(current)
  const files = refused.filter((file) => file.definition !== definition)
  if (source === undefined || files.length === 0) throw sluiceError('Quality.NothingToReplay', { table })
  if (source.kind !== 'files') {
    throw sluiceError('Quality.NotReplayable', {
      table,
      why: 'a procedure is called anew by each run, and delivers no files',
    })
  }
  const why = notReplayable(source)
  if (why !== undefined) throw sluiceError('Quality.NotReplayable', { table, why })

  return await deliver(context, table, source, files)
}

/**
 * The project with nothing in a source but what was delivered again.
 *
 * @example await planProject(replaying(context, 'raw.sales', paths))
 */
export function replaying<C extends Pick<ProjectContext, 'openSource'>>(
  context: C,
  table: string,
  paths: readonly string[],
): C {
  const only = new Set(paths)
  const openSource: ProjectContext['openSource'] = async (other, declared) =>
    other === table && declared.kind === 'files'
      ? onlyThese(await context.openSource(other, onItsOwn(declared)), only)
      : context.openSource(other, declared)
  return { ...context, openSource }
}

function notReplayable({ mode, format }: FilesSource): string | undefined {
  if (mode === 'replace') return 'the table is its newest delivery alone, and would be the refused rows alone'
  return format.kind === 'parquet' ? 'rows of Parquet files have no bytes of their own' : undefined
}

/** A replay is all refused rows, complete when it is there: limits and guards for whole files say nothing of it, nor does like content. */
function onItsOwn({ ready: _ready, rowCount: _rowCount, ...source }: FilesSource): FilesSource {
  // The lines before the records come with the header; the footer was no refused row.
  const format: FilesSource['format'] = source.format.kind === 'csv' ? { ...source.format, footer: 0 } : source.format
  return { ...source, format, quarantine: { maxShare: 1 }, duplicateContent: 'append' }
}

/** The source with nothing but these files in it. */
function onlyThese(adapter: SourceAdapter, paths: ReadonlySet<string>): SourceAdapter {
  const discover = async (known: ReadonlyMap<string, string>): Promise<readonly DiscoveredInput[]> =>
    (await adapter.discover(known)).filter(({ path }) => paths.has(path))
  return { ...adapter, discover }
}

/**
 * Puts what was not delivered again before into the inbox; returns the paths.
 *
 * @throws Quality.NotReplayable before anything is put, where the source would not find it
 */
async function deliver(
  context: ProjectContext,
  table: string,
  source: FilesSource,
  refused: readonly QuarantineFile[],
): Promise<readonly string[]> {
  const taken = new Map((await context.lake.takenInputs(table)).map(([, path, version]) => [path, version]))
  const known = new Set(taken.keys())
  // What another file has taken the place of is not delivered again.
  const isReplaced = (file: string, version: number): boolean =>
    source.changedContent === 'replace' && (taken.get(file) ?? 0) > version
  const declared = source.format.kind === 'parquet' ? undefined : source.format.compression
  await using session = await context.engine.open()
  const paths: string[] = []
  const versions = [...new Set(refused.map(({ addedIn }) => addedIn))].map((version) => ({
    version,
    quarantine: refused.filter(({ addedIn }) => addedIn === version),
  }))
  for (const { version, quarantine } of versions) {
    const rows = await session.from(quarantineRelation(quarantine))
    const found = await session.all<{ _file: string }>(`SELECT DISTINCT _file FROM ${rows}`)
    const places = found
      .filter(({ _file }) => !isReplaced(_file, version))
      .map(({ _file }) => replayPath(_file, version))
      .filter((path) => !known.has(path))
    if (!places.every((path) => takesPath(onItsOwn(source), path)))
      throw sluiceError('Quality.NotReplayable', {
        table,
        why: `"${source.path}" names no file beside the delivered one`,
      })
    paths.push(...places)
  }
  for (const { version, quarantine } of versions) {
    const contents = new Map<string, Uint8Array[]>()
    for await (const { file, bytes } of exportQuarantine(session, quarantine)) {
      if (isReplaced(file, version)) continue
      const path = replayPath(file, version)
      const pieces = contents.get(path)
      if (pieces !== undefined) pieces.push(bytes)
      else if (!known.has(path)) contents.set(path, [bytes])
    }
    for (const [path, pieces] of contents) {
      const content = Buffer.concat(pieces)
      await context.inbox.put(path, packed(content, path, declared))
    }
  }
  return paths
}

/** What its name or its format promises is unpacked when it is taken. */
function packed(content: Buffer, path: string, declared: 'none' | 'gzip' | 'zstd' | undefined): Uint8Array {
  if (declared === 'gzip' || /\.gz$/i.test(path)) return zlib.gzipSync(content)
  const { zstdCompressSync } = zlib as { readonly zstdCompressSync?: (content: Buffer) => Buffer }
  const isZstd = declared === 'zstd' || (declared === undefined && /\.zst$/i.test(path))
  return isZstd && zstdCompressSync !== undefined ? zstdCompressSync(content) : content
}

/** The name says what it is: what this version refused of this file. */
function replayPath(file: string, version: number): string {
  const [, stem, end] = /^(.*?)((?:\.[A-Za-z]+)?(?:\.gz|\.zst)?)$/is.exec(posix.basename(file)) ?? ['', file, '']
  const id = `${version}-${sha256(file).slice(0, 8)}`
  return posix.join(posix.dirname(file), `${stem!.replace(/\.replay-\d+-[0-9a-f]{8}$/, '')}.replay-${id}${end}`)
}

/**
 * The files of refused rows that a version replays: every delivered file that has rows in them comes again with these inputs, or has before.
 *
 * @example const dismissed = await replayedBy(context, session, candidate.inputs)
 */
export async function replayedBy(
  { lake, task }: Pick<TaskContext, 'lake' | 'task'>,
  session: Session,
  inputs: readonly InputReference[],
): Promise<readonly DismissedFile[]> {
  const paths = new Set(inputs.flatMap((input) => (input.kind === 'file' ? [input.path] : [])))
  const versions = new Set([...paths].flatMap((path) => versionIn(path) ?? []))
  const current = versions.size === 0 ? undefined : await lake.current(task.table)
  if (current === undefined) return []
  const taken = new Set([...paths, ...(await lake.knownInputs(task.table)).values()])
  const dismissed: DismissedFile[] = []
  for (const file of await lake.refused(current)) {
    if (!versions.has(file.addedIn)) continue
    const relation = await session.from(quarantineRelation([file]))
    const found = await session.all<{ _file: string }>(`SELECT DISTINCT _file FROM ${relation}`)
    if (found.every(({ _file }) => taken.has(replayPath(_file, file.addedIn))))
      dismissed.push({ path: file.path, rows: file.rows, addedIn: file.addedIn, why: 'replayed' })
  }
  return dismissed
}

/** The version whose refused rows a path delivers again. */
function versionIn(path: string): number | undefined {
  const version = /\.replay-(\d+)-[0-9a-f]{8}(?:\.[A-Za-z]+)?(?:\.gz)?$/i.exec(path)?.[1]
  return version === undefined ? undefined : Number(version)
}
