/**
 * Replays quarantine: delivers refused records again, as files in the inbox with their own header and bytes, and runs the source.
 *
 * A replay is an ordinary delivery, so it is accounted for like one. What one version refused of one file is delivered again once: its new name
 * says which it is, and the rows that are refused again belong to the version that refused them.
 */
import { mkdir, unlink, writeFile } from 'node:fs/promises'
import { dirname, join, posix } from 'node:path'
import { gzipSync } from 'node:zlib'
import { sluiceError } from '../base/errors.ts'
import { sha256 } from '../base/json.ts'
import type { FilesSource } from '../definition/types.ts'
import type { CommitRecord } from '../lake/record.ts'
import { exportQuarantine } from '../quality/quarantine.ts'
import type { DiscoveredInput, SourceAdapter } from '../sources/source.ts'
import type { ProjectContext } from './context.ts'
import { planProject } from './planning/planning.ts'

/**
 * Delivers the quarantine of a source again: what each kept version refused under another definition than today's. Returns the delivered paths.
 *
 * @example const paths = await deliverRefused(context, 'raw.sales')
 * @throws Quality.NothingToReplay where the table has no refused records, or its definition is still the one that refused them
 * @throws Quality.NotReplayable where refused records cannot be a delivery of their own
 */
export async function deliverRefused(context: ProjectContext, table: string): Promise<readonly string[]> {
  const [layer, name] = table.split('.') as [string, string]
  const source = context.project.pipelines.find(({ layers, sources }) => layers[0] === layer && name in sources)
    ?.sources[name]
  const { plan } = await planProject(context)
  const definition = plan.tasks.find((task) => task.id === `ingest:${table}`)?.definition
  // Under the definition that refused them, they would be refused again.
  const versions = standing(await context.lake.versions(table)).filter(
    (record) => record.definition !== definition && record.quarantine.length > 0,
  )
  if (source === undefined || versions.length === 0) throw sluiceError('Quality.NothingToReplay', { table })
  if (source.kind !== 'files') {
    throw sluiceError('Quality.NotReplayable', {
      table,
      why: 'a procedure is called anew by each run, and delivers no files',
    })
  }
  const why = notReplayable(source)
  if (why !== undefined) throw sluiceError('Quality.NotReplayable', { table, why })

  const paths = await deliver(context, table, versions)
  const adapter = await replaying(context, table, paths).openSource(table, source)
  const found = new Set((await adapter.discover(await context.lake.knownInputs(table))).map(({ path }) => path))
  if (paths.some((path) => !found.has(path))) {
    for (const path of paths) await unlink(join(context.root, path)).catch(() => undefined)
    throw sluiceError('Quality.NotReplayable', {
      table,
      why: `"${source.path}" names no file beside the delivered one`,
    })
  }
  return paths
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

/** The versions that the current one stands on: not those that a rollback took back, whose files come again as a whole. */
function standing(newestFirst: readonly CommitRecord[]): readonly CommitRecord[] {
  let limit = Number.POSITIVE_INFINITY
  return newestFirst.filter(({ version, rollbackOf }) => {
    if (version > limit) return false
    limit = rollbackOf ?? limit
    return rollbackOf === undefined
  })
}

function notReplayable({ mode, format }: FilesSource): string | undefined {
  if (mode === 'replace') return 'the table is its newest delivery alone, and would be the refused rows alone'
  return format.kind === 'parquet' ? 'rows of Parquet files have no bytes of their own' : undefined
}

/** A replay is all refused rows, complete when it is there: limits and guards for whole files say nothing of it, nor does like content. */
function onItsOwn({ ready: _ready, rowCount: _rowCount, ...source }: FilesSource): FilesSource {
  return { ...source, quarantine: { maxShare: 1 }, duplicateContent: 'append' }
}

/** The source with nothing but these files in it. */
function onlyThese(adapter: SourceAdapter, paths: ReadonlySet<string>): SourceAdapter {
  const discover = async (known: ReadonlyMap<string, string>): Promise<readonly DiscoveredInput[]> =>
    (await adapter.discover(known)).filter(({ path }) => paths.has(path))
  return { ...adapter, discover }
}

/** Writes what was not delivered again before into the inbox; returns the paths. */
async function deliver(
  context: ProjectContext,
  table: string,
  versions: readonly CommitRecord[],
): Promise<readonly string[]> {
  const known = new Set((await context.lake.knownInputs(table)).values())
  await using session = await context.engine.open()
  const paths: string[] = []
  for (const { version, quarantine } of versions) {
    const files = await Promise.all(quarantine.map((file) => context.storage.localPath(file.path)))
    const parts = new Map<string, Uint8Array[]>()
    for await (const { file, bytes } of exportQuarantine(session, files)) {
      const own = parts.get(file)
      if (own === undefined) parts.set(file, [bytes])
      else own.push(bytes)
    }
    for (const [file, bytes] of parts) {
      const path = replayPath(file, version)
      if (known.has(path)) continue
      const content = Buffer.concat(bytes)
      await mkdir(dirname(join(context.root, path)), { recursive: true })
      await writeFile(join(context.root, path), path.endsWith('.gz') ? gzipSync(content) : content)
      paths.push(path)
    }
  }
  return paths
}

/** The name says what it is: what this version refused of this file. */
function replayPath(file: string, version: number): string {
  const [, stem, end] = /^(.*?)((?:\.[A-Za-z]+)?(?:\.gz)?)$/s.exec(posix.basename(file)) ?? ['', file, '']
  const id = `${version}-${sha256(file).slice(0, 8)}`
  return posix.join(posix.dirname(file), `${stem!.replace(/\.replay-\d+-[0-9a-f]{8}$/, '')}.replay-${id}${end}`)
}
