# A processor for each interface of aws-kclrb. Arguments: the version, and the file to tell what happens.

require 'base64'
require 'aws/kclrb'

VERSION, LOG = ARGV[0].to_i, ARGV[1]
BEYOND = '9' * 100

def tell(line)
  File.open(LOG, 'a') { |log| log.write(line + "\n") }
end

def take(records, checkpointer)
  records.each do |record|
    data = Base64.decode64(record['data'])
    tell('record ' + data)
    if data == 'raise' && !File.exist?(LOG + '.raised')
      File.write(LOG + '.raised', '')
      raise 'asked to raise'
    end
  end
  puts 'a library says hello'
  begin
    checkpointer.checkpoint(BEYOND)
  rescue Aws::KCLrb::CheckpointError => error
    tell("refused #{error.value}")
  end
  checkpointer.checkpoint(records.last['sequenceNumber'])
end

class Version1 < Aws::KCLrb::RecordProcessorBase
  def init_processor(shard_id)
    tell('initialize ' + shard_id)
  end

  def process_records(records, checkpointer)
    take(records, checkpointer)
  end

  def shutdown(checkpointer, reason)
    checkpointer.checkpoint if reason == 'TERMINATE'
    tell({ 'TERMINATE' => 'ended', 'ZOMBIE' => 'lost' }.fetch(reason))
  end

  def shutdown_requested(checkpointer)
    checkpointer.checkpoint
    tell('stopping')
  end
end

class Version2 < Aws::KCLrb::V2::RecordProcessorBase
  def init_processor(input)
    tell('initialize ' + input.shard_id)
  end

  def process_records(input)
    take(input.records, input.checkpointer)
  end

  def lease_lost(_input)
    tell('lost')
  end

  def shard_ended(input)
    input.checkpointer.checkpoint
    tell('ended')
  end

  def shutdown_requested(input)
    input.checkpointer.checkpoint
    tell('stopping')
  end
end

Aws::KCLrb::KCLProcess.new((VERSION == 1 ? Version1 : Version2).new).run
