/**
 * Replays quarantine: delivers refused records again, as files in the inbox with their own header and bytes, and runs the source.
 *
 * A replay is an ordinary delivery, so it is accounted for like one, and the same records replayed twice are recognised by content.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { basename, dirname, extname, join } from 'node:path'
import { sluiceError } from '../base/errors.ts'
import { sha256 } from '../base/json.ts'
import { exportQuarantine } from '../quality/quarantine.ts'
import type { RunOptions } from './api.ts'
import type { ProjectContext } from './context.ts'
import type { RunSummary } from './events.ts'
import { executeRun } from './execute.ts'
import { planProject } from './planning.ts'

/**
 * Replays the quarantine of a source's newest deliveries, all kept versions together.
 *
 * @throws Quality.NothingToReplay where the table has no refused records, or its definition is still the one that refused them
 */
export async function replayQuarantine(
  context: ProjectContext,
  table: string,
  options: RunOptions = {},
): Promise<{ id: string; summary: RunSummary }> {
  const name = table.split('.')[1] as string
  const source = context.project.pipelines.find(
    (pipeline) => pipeline.layers[0] === table.split('.')[0] && name in pipeline.sources,
  )?.sources[name]
  const { plan } = await planProject(context)
  const definition = plan.tasks.find((task) => task.id === `ingest:${table}`)?.definition
  // Under the definition that refused them, they would be refused again.
  const versions = (await context.lake.versions(table)).filter((record) => record.definition !== definition)
  const files = await Promise.all(
    versions.flatMap((record) => record.quarantine.map((file) => context.storage.localPath(file.path))),
  )
  if (source === undefined || files.length === 0) throw sluiceError('Quality.NothingToReplay', { table })
  const known = await context.lake.knownInputs(table)
  const deliveries = new Map<string, Uint8Array[]>()
  {
    await using session = await context.engine.open()
    // A replay that was refused again stands in quarantine under its own name; its records are those of the first file.
    for await (const { file, bytes } of exportQuarantine(session, files, "_file NOT LIKE '%.replay-%'")) {
      deliveries.set(file, [...(deliveries.get(file) ?? []), bytes])
    }
  }
  for (const [file, parts] of deliveries) {
    const content = Buffer.concat(parts)
    const id = sha256(content)
    if (known.has(id)) continue
    const end = extname(file)
    const path = join(context.root, dirname(file), `${basename(file, end)}.replay-${id.slice(0, 8)}${end}`)
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, content)
  }
  // A replay is all refused rows: limits on their share say nothing here.
  const openSource: ProjectContext['openSource'] = (name, definition) =>
    context.openSource(name, name === table ? { ...definition, quarantine: { maxShare: 1 } } : definition)
  return executeRun({ ...context, openSource }, { ...options, select: [`${table}+`] })
}
