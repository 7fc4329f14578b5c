// One step of a benchmark, measured from inside, so that starting Node counts for neither side.
const [file, name, input] = process.argv.slice(2)
const { steps } = await import(file)
const cpu = process.cpuUsage()
const from = process.hrtime.bigint()
const result = await steps[name](JSON.parse(input))
const wall = Number(process.hrtime.bigint() - from) / 1e6
const used = process.cpuUsage(cpu)
process.stdout.write(
  `\n${JSON.stringify({
    wall: result?.wall ?? wall,
    cpu: result?.cpu ?? (used.user + used.system) / 1000,
    rss: process.resourceUsage().maxRSS / 1024,
    result,
  })}\n`,
  () => process.exit(0),
)
