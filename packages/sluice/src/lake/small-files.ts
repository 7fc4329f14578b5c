/** Which files of a table are worth writing together: decided from its record alone, by numbers that keep all of it cheap. */
import { firstVersionOf, onlyGrew, partitionKey } from './growth.ts'
import type { CommitRecord, DataFile } from './record.ts'

/** A file is not made larger than this, and one of half of it is left as it is. */
const targetBytes = 64 << 20

/** So many small files of a partition are written together; two are enough where so many versions have brought nothing into it. */
const ripe = 16

/** What is written at once, so that what comes next does not wait for long. */
const budgetBytes = 256 << 20

/** What one version brought into a partition; it stays together, so that each version's rows are found again. */
interface Step {
  readonly files: DataFile[]
  bytes: number
}

/**
 * Files that belong together: of one partition, next to each other, with the same columns. Nothing where it would not pay, or where the table
 * is not one that only grows.
 *
 * No file is written again before half as much again has come after it, so that a row is written a few times however often a table grows.
 *
 * @example for (const files of smallFiles(record)) …
 */
export function smallFiles(record: CommitRecord): readonly (readonly DataFile[])[] {
  if (!onlyGrew(record)) return []
  const partitions = new Map<string, DataFile[]>()
  for (const file of record.files) {
    const key = partitionKey(file)
    const files = partitions.get(key)
    if (files === undefined) partitions.set(key, [file])
    else files.push(file)
  }
  const groups: DataFile[][] = []
  let bytes = 0
  for (const files of partitions.values()) {
    const isQuiet = record.version - (files.at(-1)?.addedIn ?? 0) >= ripe
    const steps = worthIt(stepsOf(files))
    if (steps.reduce((count, step) => count + step.files.length, 0) < (isQuiet ? 2 : ripe)) continue
    for (const group of packed(steps)) {
      if (group.files.length < 2) continue
      bytes += group.bytes
      if (groups.length > 0 && bytes > budgetBytes) return groups
      groups.push(group.files)
    }
  }
  return groups
}

function stepsOf(files: readonly DataFile[]): readonly Step[] {
  const steps: Step[] = []
  for (const file of files) {
    const step = steps.at(-1)
    const before = step?.files.at(-1)
    if (step === undefined || before === undefined || firstVersionOf(file) > before.addedIn)
      steps.push({ files: [file], bytes: file.bytes })
    else {
      step.files.push(file)
      step.bytes += file.bytes
    }
  }
  return steps
}

/** The newest steps, as far back as the largest of them is no more than twice the others together. */
function worthIt(steps: readonly Step[]): readonly Step[] {
  const shape = shapeOf(steps.at(-1)?.files.at(-1))
  let [first, total, largest] = [steps.length, 0, 0]
  for (let at = steps.length - 1; at >= 0; at--) {
    const { files, bytes } = steps[at] as Step
    if (bytes >= targetBytes / 2 || files.some((file) => shapeOf(file) !== shape)) break
    total += bytes
    largest = Math.max(largest, bytes)
    if (largest <= 2 * (total - largest)) first = at
  }
  return steps.slice(first)
}

/** Files of other columns are read apart, and so they stay. */
function shapeOf(file: DataFile | undefined): string {
  return JSON.stringify([file?.fields, Object.entries(file?.types ?? {}).sort()])
}

function packed(steps: readonly Step[]): readonly Step[] {
  const groups: Step[] = []
  for (const { files, bytes } of steps) {
    const group = groups.at(-1)
    if (group === undefined || group.bytes + bytes > targetBytes) groups.push({ files: [...files], bytes })
    else {
      group.files.push(...files)
      group.bytes += bytes
    }
  }
  return groups
}
