/** Folders that would feed each other: an output under an input's path (fault AW-12), and one file for two sources. */
import { problem } from '../../base/errors.ts'
import { isOnS3, s3Address } from '../schema/s3-address.ts'
import type { Notifier, Project } from '../types.ts'
import type { CheckContext } from './known-names.ts'
import { overlap } from './overlap.ts'

interface Inbox {
  /** `<layer>.<table>` */
  readonly table: string
  readonly key: string
  readonly path: string
  readonly archive: string | false
  readonly error: string
  readonly file: string
}

interface Output {
  readonly purpose: string
  readonly folder: string
  /** What will lie there. */
  readonly files: string
}

/**
 * Adds the problems of a project's inboxes.
 *
 * @example inboxProblems(project, context)
 */
export function inboxProblems(project: Project, { problems, places }: CheckContext): void {
  const inboxes: Inbox[] = project.pipelines.flatMap(({ file, layers, sources }) =>
    Object.entries(sources).flatMap(([key, source]) =>
      source.kind === 'files'
        ? [{ table: `${layers[0]}.${key}`, key, path: source.path, archive: source.archive, error: source.error, file }]
        : [],
    ),
  )
  const outputs = outputsOf(project)
  inboxes.forEach((inbox, i) => {
    const { path, table: source } = inbox
    const at = places(inbox.file).at(['sources', inbox.key, 'path'], path)
    const shape = wrongPattern(path)
    if (shape !== undefined) {
      const params = { where: `sources.${inbox.key}.path`, expected: shape, found: `"${path}"` }
      problems.push(problem('Definition.WrongValue', params, { at }))
    }
    for (const folder of ['archive', 'error'] as const) {
      const found = inbox[folder]
      if (found === false || rootOf(found) === rootOf(path)) continue
      const place = isOnS3(path) ? `a path in the bucket of the source, ${rootOf(path)}` : 'a path below the project'
      const params = { where: `sources.${inbox.key}.${folder}`, expected: place, found: `"${found}"` }
      problems.push(
        problem('Definition.WrongValue', params, { at: places(inbox.file).at(['sources', inbox.key, folder], found) }),
      )
    }
    for (const { purpose, folder, files } of outputs) {
      if (overlap(path, files))
        problems.push(problem('Definition.FolderLoop', { folder, purpose, path, source }, { at }))
    }
    for (const other of inboxes.slice(0, i)) {
      if (!overlap(path, other.path)) continue
      const params = { first: other.table, second: source, path: other.path, other: path }
      problems.push(problem('Definition.PatternOverlap', params, { at }))
    }
  })
}

/** Files move within a bucket, or below the project. */
const rootOf = (path: string): string => (isOnS3(path) ? `s3://${s3Address(path)?.bucket}` : '')

/** Where Sluice puts files itself. */
function outputsOf({ config, pipelines }: Project): readonly Output[] {
  const folder = (purpose: string, path: string): Output => ({ purpose, folder: path, files: `${path}/**/*` })
  const outboxes = (notifications: readonly Notifier[]): Output[] =>
    notifications.flatMap((notifier) =>
      notifier.kind === 'outbox' ? [{ purpose: 'outbox', folder: notifier.path, files: notifier.path }] : [],
    )
  const sources = pipelines.flatMap((pipeline) => Object.values(pipeline.sources))
  const outputs = [
    folder('lake', config.lake.path),
    ...sources.flatMap((source) =>
      source.kind === 'files'
        ? [
            ...(source.archive === false ? [] : [folder('archive folder', source.archive)]),
            folder('error folder', source.error),
          ]
        : [],
    ),
    ...outboxes([...config.notifications, ...pipelines.flatMap(({ notifications }) => notifications)]),
  ]
  return [...new Map(outputs.map((output) => [`${output.purpose} ${output.folder}`, output])).values()]
}

/** What a path must be, where it is not. */
function wrongPattern(path: string): string | undefined {
  const parts = path.split('/')
  if (parts.slice(0, -1).some((part) => part !== '**' && /[*?]/.test(part)))
    return 'a path with * and ? in its last part only (and ** for folders)'
  if (parts.at(-1) === '' || parts.at(-1) === '**') return 'a path whose last part names files'
  if (/[[\]{}\\]/.test(path)) return 'a path with / between its parts, and no pattern but *, ? and **'
  return undefined
}
