-- no parameters
select receipt_generation_us from drawdown.setting
