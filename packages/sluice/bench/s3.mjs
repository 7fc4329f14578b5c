// A run with its lake in a bucket of the double against the same run on disk, as whole processes: the CPU of the run, without that of the double.
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createJiti } from 'jiti'
import { command, ratioText, report, rounds } from './measure.mjs'
import { cli, forget } from './project.mjs'
import { retailProject } from './retail.mjs'

const size = { days: 5, rows: 2000 }

export async function run({ folder, count }) {
  const { startS3Server } = await createJiti(import.meta.url).import('../test/doubles/s3/server.ts')
  const double = await startS3Server()
  try {
    const [onDisk, onS3] = [join(folder, 'lake-on-disk'), join(folder, 'lake-on-s3')]
    for (const root of [onDisk, onS3]) await retailProject(root, size)
    const config = await readFile(join(onS3, 'sluice.config.ts'), 'utf8')
    let lakes = 0
    const made = async (root) => {
      await forget(root)
      await command([join(root, 'generate.mjs'), '--fresh', '--days', String(size.days), '--rows', String(size.rows)])
    }
    const values = await rounds(
      count,
      async () => {
        await made(onS3)
        const lake = `s3: { endpoint: '${double.endpoint}', region: 'us-east-1' }, lake: { path: 's3://lake/${++lakes}'`
        await writeFile(join(onS3, 'sluice.config.ts'), config.replace("lake: { path: 'lake'", lake))
        const env = { ...process.env, AWS_ACCESS_KEY_ID: 'DOUBLE', AWS_SECRET_ACCESS_KEY: 'secret' }
        return command([cli, '-C', onS3, 'run'], { env })
      },
      async () => {
        await made(onDisk)
        return command([cli, '-C', onDisk, 'run'])
      },
    )
    report({
      name: 'run with its lake on S3, against on disk',
      value: `CPU ${ratioText(values, (one) => one.cpu)}`,
      target: '—',
      rounds: count,
    })
    for (const root of [onDisk, onS3]) await rm(root, { recursive: true, force: true })
  } finally {
    await double[Symbol.asyncDispose]()
  }
}
