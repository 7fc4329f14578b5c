/**
 * Files of a version to come: durable, where a commit would put them, and named by no record yet. So work that takes hours need not be done again
 * by whoever takes it up. Retention knows them as what they are until then: files that no version needs.
 */
import type { Clock } from '../../base/clock.ts'
import type { Storage } from '../../storage/storage.ts'
import { assignFields } from '../fields.ts'
import { digestFile } from '../file-digest.ts'
import { currentVersion } from '../record/records.ts'
import type { Field } from '../record.ts'
import { type AdoptInput, adoptFiles, fieldsOf, idsOf, type NewFile, type SetAsideFile } from './adopt.ts'
import { recordOf } from './commit.ts'

/**
 * Sets files aside: they are durable afterwards, and gone from where they were.
 *
 * @example const files = await setAside(storage, clock, { table: 'raw.shop', run, attempt: 1, files: written, fields, verifyFile })
 * @throws Lake.FileCorrupt for a file that is not what is said of it
 */
export async function setAside(
  storage: Storage,
  clock: Clock,
  input: Omit<AdoptInput, 'quarantine' | 'fields' | 'files'> & {
    readonly files: readonly NewFile[]
    readonly fields: readonly Omit<Field, 'id'>[]
  },
): Promise<readonly SetAsideFile[]> {
  const version = await currentVersion(storage, input.table)
  const parent = version === 0 ? undefined : await recordOf(storage, input.table, version)
  const { fields } = assignFields(input.table, parent, input.fields, false)
  const { files } = await adoptFiles(storage, clock, { ...input, fields, quarantine: [] })
  return files.map(({ path, bytes, sha256, hasFieldIds, ...file }) => ({
    ...file,
    setAside: { path, bytes, sha256, ...(hasFieldIds === true && { ids: idsOf(fieldsOf(file.fields, fields)) }) },
  }))
}

/**
 * Whether files that were set aside are what they were: every byte of them is read.
 *
 * @example if (await canTakeUp(storage, kept.files)) …
 */
export async function canTakeUp(storage: Storage, files: readonly SetAsideFile[]): Promise<boolean> {
  for (const { setAside } of files) {
    const { path, bytes, sha256 } = setAside
    if ((await storage.stat(path))?.bytes !== bytes) return false
    await using local = await storage.materialise(path)
    if ((await digestFile(local.file)).sha256 !== sha256) return false
  }
  return true
}
